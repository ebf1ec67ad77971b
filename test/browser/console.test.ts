import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import type { Page } from 'playwright-core';
import { fleetOptions, startHarness, type Harness } from '../kit/harness.js';
import { Fleet } from '../simulator/index.js';
import {
  ask,
  ConsoleBrowser,
  ledger,
  PAGES,
  PATIENCE_MS,
  type Parts,
  seriousFaults,
  signInByToken,
  write,
} from './console-browser.js';
import { approvalTests } from './approval-tests.js';
import { endpointTests } from './endpoint-tests.js';
import { firedScheduleTest, postureTests } from './posture-tests.js';
import { resumeTests } from './resume-tests.js';
import { scanTests } from './scan-tests.js';
import { settingsTests } from './settings-tests.js';
import { safetyTests } from './safety-tests.js';
import { RECENT, signInAgainTests } from './sign-in-again-tests.js';

const AGENTS = 120;
/** Some answer late, some fail: a ledger with several parts. */
const MIX = { slow: 0.1, failing: 0.05, silent: 0, disappearing: 0 };

let folder: string;
let harness: Harness;
let fleet: Fleet;
let browser: ConsoleBrowser;
const opened: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-browser-'));
  const policy = join(folder, 'policy.json');
  const apiPolicy = join(folder, 'api-policy.json');
  await writeFile(policy, JSON.stringify({ approval: [{ actions: ['dns.*'] }] }));
  await writeFile(apiPolicy, JSON.stringify(RECENT.policy));
  harness = await startHarness({
    ...{ agent: true, telemetries: 1, postures: 1, restart: true },
    env: { command: { MUSTER_COMMAND_POLICY_FILE: policy }, api: { MUSTER_API_POLICY_FILE: apiPolicy } },
  });
  const options = { agents: AGENTS, behaviour: MIX, slowMs: 4_000, channel: { pollIntervalMs: 1_000 } };
  fleet = new Fleet({ ...fleetOptions(harness), ...options });
  await fleet.start();
  browser = await ConsoleBrowser.launch(harness);
});
afterAll(async () => {
  for (const child of opened) child.kill('SIGKILL');
  await browser?.close();
  await fleet?.stop();
  await harness?.close();
  await rm(folder, { recursive: true, force: true });
});

const parts = (): Parts => ({ harness, browser });
const path = (page: Page): string => new URL(page.url()).pathname;

describe('signing in', () => {
  test('by a link that signs in once, and whose code leaves the address', async () => {
    const made = await harness.api.fetch('/v1/session/links', { method: 'POST', body: { for: '10m' } });
    const { path: link } = (await made.json()) as { path: string };
    const page = await browser.page(await browser.context(), link);
    await page.getByRole('navigation', { name: 'Pages' }).waitFor();
    expect(page.url()).not.toContain('code');
    const again = await browser.page(await browser.context(), link);
    await again.getByText('This link was used before').waitFor();
    await page.context().close();
    await again.context().close();
  });

  test('by a token; a wrong one is refused; signing out ends it, and nothing secret is left in the browser', async () => {
    const context = await browser.context();
    const page = await browser.page(context, '/fleet');
    await page.getByLabel('Operator token').fill('mst_aaaaaaaaaaaaaaaa_wrong');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('alert').waitFor();
    await signInByToken(page, harness.stack.token);
    expect(path(page)).toBe('/fleet');
    const stored = await page.evaluate<string>(
      `JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie`,
    );
    expect(stored).not.toContain('mst_');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Operator token').waitFor();
    expect((await context.request.get(`${harness.stack.apiUrl}/v1/me`)).status()).toBe(401);
    await context.close();
  });

  test('a session that ends in mid-work asks to sign in over the page, which stays as it is', async () => {
    const page = await browser.signedIn('/ask');
    await ask(page, 'SELECT name FROM os_version', 'os=linux');
    await page.getByRole('grid', { name: 'Rows' }).getByRole('row').nth(1).waitFor();
    await page.context().clearCookies();
    await write(page, 'SELECT version FROM os_version');
    await page.keyboard.press('Control+Enter');
    await page.getByRole('alertdialog').waitFor();
    await page.getByLabel('Operator token').fill(harness.stack.token);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('alertdialog').waitFor({ state: 'detached' });
    expect(await page.getByRole('textbox', { name: 'SQL' }).innerText()).toContain('SELECT version');
    await page.context().close();
  });
});

// Early, so that the moment of its schedule has come when the last tests look for it.
postureTests(parts);

describe('Ask', () => {
  let page: Page;
  beforeAll(async () => {
    page = await browser.signedIn('/ask');
  });
  afterAll(() => page.context().close());

  test('rows stream in, and the ledger adds up to its targets at every look', async () => {
    await ask(page, 'SELECT name, version FROM os_version');
    await eventually(
      async () => {
        const { targeted = 0, ...parts } = await ledger(page);
        expect(Object.values(parts).reduce((sum, count) => sum + count, 0)).toBe(targeted);
        return targeted === AGENTS + 1 && (parts['waiting'] ?? 0) === 0;
      },
      'all endpoints are settled',
      PATIENCE_MS,
    );
    const { answered = 0, error = 0 } = await ledger(page);
    expect([answered > AGENTS / 2, error > 0, answered + error]).toEqual([true, true, AGENTS + 1]);
    await page.getByText(`${answered} rows kept`).waitFor();
  });

  test('errors are grouped by text, and a part of the ledger opens names and reasons', async () => {
    const { error = 0 } = await ledger(page);
    const group = page.getByRole('complementary', { name: 'Errors' }).getByRole('button').first();
    expect(await group.innerText()).toContain(`${error} `);
    await page.locator('[data-ledger=error]').click();
    const drawer = page.getByRole('dialog');
    await drawer
      .getByText(/-\d{5}$/)
      .first()
      .waitFor();
    expect(await drawer.getByText(/-\d{5}$/).count()).toBe(error);
    await page.keyboard.press('Escape');
  });

  test('filter, sort and group work over all rows, are in the address, and a colleague sees the same', async () => {
    await page.getByLabel('Filter rows').fill('name:ubuntu');
    await page.getByText(/lines of .* rows kept/).waitFor();
    await page.getByRole('columnheader', { name: 'version' }).getByRole('button').click();
    await page.waitForURL(/sort=/);
    const line = await page.getByText(/lines of .* rows kept/).innerText();
    const colleague = await browser.signedIn(new URL(page.url()).pathname + new URL(page.url()).search);
    await colleague.getByText(line).waitFor();
    expect(await colleague.getByRole('columnheader', { name: 'version' }).getAttribute('aria-sort')).toBe('ascending');
    expect(await colleague.getByRole('textbox', { name: 'SQL' }).innerText()).toContain('FROM os_version');
    await colleague.context().close();
    await page.getByRole('button', { name: /Group lines/ }).click();
    await page.getByRole('option', { name: 'by version' }).click();
    await page.getByRole('columnheader', { name: 'endpoints' }).waitFor();
  });

  test('a fault is shown where the server found it, and nothing is asked', async () => {
    const before = page.url();
    await write(page, 'SELECT nme FROM processes');
    await page.keyboard.press('Control+Enter');
    await page.getByRole('alert').getByText('no such column: nme').waitFor();
    expect(await page.locator('.cm-lintRange-error').innerText()).toBe('nme');
    expect(page.url()).toBe(before);
  });

  test('cancel ends it, and those who gave no answer are asked again', async () => {
    await ask(page, 'SELECT version FROM os_version');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Cancelled. What came until then is kept.').waitFor();
    const asked = await ledger(page);
    const failed = (asked['targeted'] ?? 0) - (asked['answered'] ?? 0) - (asked['empty'] ?? 0);
    expect(failed).toBeGreaterThan(0);
    const before = page.url();
    await page.getByRole('button', { name: `Ask the ${failed} again` }).click();
    await page.waitForURL((url) => url.href !== before);
    await eventually(
      async () => (await ledger(page))['targeted'] === failed,
      'the retry asks those alone',
      PATIENCE_MS,
    );
  });

  test('nobody matches, and all empty, are told apart', async () => {
    await ask(page, 'SELECT name FROM os_version', 'env=nowhere');
    await page.getByRole('heading', { name: 'Nobody matches' }).waitFor();
    await ask(page, "SELECT name FROM os_version WHERE name = 'none such'", 'host=*-0000*');
    await page.getByText(/^(All .* endpoints answered: there is no such row|No rows)$/).waitFor();
  });

  test('text of an endpoint that is markup, reorders or hides text runs nothing, and is shown as it is', async () => {
    const hostile = `'<img src=x onerror="document.title=1"><script>document.title=2</script>'`;
    const sql = `SELECT ${hostile} AS markup, 'exe.' || char(8238) || 'gpj' AS reordered, char(0x200b, 0xad, 10, 27) AS hidden, '=1+1' AS formula`;
    await ask(page, sql, 'os=linux');
    const row = page.getByRole('grid', { name: 'Rows' }).getByRole('row').nth(1);
    await row.getByText('<img src=x onerror=').waitFor();
    expect(await row.innerText()).toContain('exe.\\u{202e}gpj');
    expect(await row.innerText()).toContain('\\u{200b}\\u{ad}\\n\\u{1b}');
    await row.click();
    await page.getByRole('dialog').getByText('<script>').waitFor();
    await page.keyboard.press('Escape');
    expect(await page.title()).toBe('Muster');
    expect(await page.locator('main img, main script').count()).toBe(0);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export' }).click();
    await page.getByRole('menuitem', { name: /CSV of this view/ }).click();
    const chunks: Buffer[] = [];
    for await (const chunk of await (await download).createReadStream()) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toContain(`"'=1+1"`);
  });
});

test('Act: from a row, tried first, and then the very process of that row ends', async () => {
  const victim = spawn('sleep', ['86399']);
  opened.push(victim);
  const ended = new Promise((resolve) => victim.once('exit', (_, signal) => resolve(signal)));
  const page = await browser.signedIn('/ask');
  await ask(page, `SELECT pid, start_time, path, name FROM processes WHERE pid = ${victim.pid}`, 'version=0.1.0');
  await page.getByRole('grid', { name: 'Rows' }).getByText('sleep').first().click();
  await page.getByRole('button', { name: 'Act on this row…' }).click();
  await page.getByRole('button', { name: /Action/ }).click();
  await page.getByRole('option', { name: 'process.kill' }).click();
  expect(await page.getByRole('button', { name: 'Order', exact: true }).isDisabled()).toBe(true);
  await page.getByLabel(/Reason/).fill('the test ends it');
  await page.getByRole('button', { name: 'Try without changing anything' }).click();
  await page.getByText('1 target: 1 connected now').waitFor();
  await page.getByText(/would/).first().waitFor();
  expect(victim.exitCode ?? victim.signalCode).toBeNull();
  await page.getByRole('button', { name: 'Order', exact: true }).click();
  await page.waitForURL(/\/commands\//);
  await page.locator('[data-ledger=succeeded]').waitFor();
  expect(await ended).toBe('SIGKILL');
  await page.context().close();
});

test('Fleet: the counts are those of the system, a value narrows the list, a selection survives it', async () => {
  const page = await browser.signedIn('/fleet');
  await page.getByText(`${AGENTS + 1} that match`).waitFor();
  await page.getByRole('checkbox', { name: 'Select row 1', exact: true }).click();
  await page.getByText('1 endpoint selected').waitFor();
  await page
    .getByRole('region', { name: 'By os' })
    .getByRole('button', { name: /windows/ })
    .click();
  await page.waitForURL(/selector=os(%3D|=)windows/);
  await page
    .getByRole('grid', { name: 'Endpoints' })
    .getByText(/Windows/)
    .first()
    .waitFor();
  expect(await page.getByText('1 endpoint selected').count()).toBe(1);
  await page.context().close();
});

test('the audit record is verified in the browser', async () => {
  const page = await browser.signedIn('/audit');
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page.getByText(/\d+ records, whole/).waitFor();
  await page.context().close();
});

test('axe finds nothing serious on any page, in both themes', async () => {
  const page = await browser.signedIn('/ask');
  await ask(page, 'SELECT name, version FROM os_version');
  await page.locator('[data-ledger=error]').waitFor();
  expect(await seriousFaults(page)).toEqual([]);
  const links = page.getByRole('navigation', { name: 'Pages' }).getByRole('link');
  for (const each of PAGES) {
    // Without loading the console anew.
    await links.and(page.locator(`[href="${each}"]`)).click();
    await page.waitForURL((url) => url.pathname === each);
    await page.getByRole('heading', { level: 1 }).first().waitFor({ state: 'attached' });
    expect([each, await seriousFaults(page)]).toEqual([each, []]);
  }
  await page.context().close();
});

test('keys: g f goes to Fleet, Ctrl-K searches everything, ? shows the keys', async () => {
  const page = await browser.signedIn('/settings');
  await page.locator('main').focus();
  await eventually(
    async () => {
      await page.keyboard.press('g');
      await page.keyboard.press('f');
      return path(page) === '/fleet';
    },
    'the keys are heard',
    PATIENCE_MS,
  );
  const search = page.getByRole('combobox', { name: 'Search' });
  await eventually(
    async () => {
      // The page that `g f` goes to may still be loading.
      if (!(await search.isVisible())) await page.keyboard.press('Control+k');
      return search.isVisible();
    },
    'the search is open',
    PATIENCE_MS,
  );
  await search.fill('audit');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/audit$/);
  await page.locator('main').focus();
  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('go to Fleet').waitFor();
  await page.context().close();
});

scanTests(parts);
approvalTests(parts);
signInAgainTests(parts);
settingsTests(parts);
safetyTests(parts);
endpointTests(parts);
firedScheduleTest(parts);
resumeTests(parts);

test('no page complained: no error of a script, nothing that the policy blocked', () => {
  expect(browser.complaints).toEqual([]);
});
