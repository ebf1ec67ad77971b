import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { eventually } from '@muster/runtime/testing';
import { fleetOptions, startHarness } from '../../kit/harness.js';
import { Fleet } from '../../simulator/index.js';
import { ask, ConsoleBrowser, PAGES } from '../console-browser.js';

/**
 * `npm run screenshots -- FOLDER [PAGE…]`: every page of the console, or those named, in both themes and both widths, on a real system with
 * simulated endpoints.
 */
const [given = 'console-screenshots', ...wanted] = process.argv.slice(2);
const folder = resolve(given);
const SETTLE_MS = 2_500;
const SCAN_TABS = ['packs', 'schedules', 'exceptions', 'vulnerabilities'];
const PACKS = new URL('../../../../shared/packs/shipped/', import.meta.url);

await mkdir(folder, { recursive: true });
const harness = await startHarness({ agent: true, telemetries: 1, postures: 1 });
const behaviour = { slow: 0.05, failing: 0.03, silent: 0.01, disappearing: 0 };
const fleet = new Fleet({
  ...fleetOptions(harness),
  agents: 1_200,
  behaviour,
  metrics: true,
  packs: { failing: 0.2, unique: 4 },
});
await fleet.start();
const browser = await ConsoleBrowser.launch(harness);
try {
  const real = await harness.api.call('GET /v1/agents', { query: { selector: 'version=0.1.0' } });
  const endpoint = `/fleet/${real.items[0]?.agentId}`;
  await harness.api.call('POST /v1/commands', {
    body: {
      action: 'service.restart',
      params: { name: 'cron' },
      target: { selector: 'site=fra' },
      reason: 'after the update',
    },
  });
  const waitUntil = new Date(Date.now() + 86_400_000).toISOString();
  await harness.api.call('POST /v1/queries', {
    body: { sql: 'SELECT name FROM os_version', mode: 'group', waitUntil },
  });
  for (const pack of ['linux-baseline', 'suspicious-now'])
    await harness.api.call('POST /v1/packs', {
      body: { text: await readFile(new URL(`${pack}.yaml`, PACKS), 'utf8') },
    });
  const scan = await scanned('linux-baseline', '');
  await scanned('suspicious-now', 'env=prod');
  const waiting = { pack: 'linux-baseline', selector: 'env=prod', waitUntil };
  await harness.api.call('POST /v1/scans', { body: waiting });
  const nightly = { name: 'Every night', pack: 'linux-baseline', cron: '0 2 * * *', timeZone: 'Europe/Berlin' };
  await harness.api.call('POST /v1/schedules', { body: { ...nightly, jitter: '30m', wait: '24h' } });
  const accepted = { pack: 'linux-baseline', check: await failing(scan), selector: 'env=staging', until: waitUntil };
  await harness.api.call('POST /v1/exceptions', { body: { ...accepted, owner: 'Ops', reason: 'replaced in spring' } });
  await harness.api.call('POST /v1/vulnerability-scans', { body: { timeout: '10s' } });
  const isWanted = (name: string): boolean => wanted.length === 0 || wanted.some((one) => name.startsWith(one));
  for (const theme of ['light', 'dark'] as const) {
    for (const width of [1_280, 390]) {
      const page = await browser.signedIn('/ask', { theme, width });
      const shot = async (name: string): Promise<void> => {
        if (!isWanted(name)) return;
        await page.waitForTimeout(SETTLE_MS);
        await page.screenshot({ path: join(folder, `${name}-${theme}-${width}.png`) });
      };
      if (isWanted('ask-rows')) {
        const sql = "SELECT name, version, arch FROM deb_packages WHERE name LIKE 'lib%'";
        await ask(page, sql, 'os=linux,env in (prod,staging)');
        await shot('ask-rows');
      }
      const check = await failing(scan);
      const places = {
        ...Object.fromEntries(PAGES.map((path) => [path.slice(1), path])),
        ...{ endpoint, 'scans-one': `/scans/${scan}`, 'scans-check': `/scans/${scan}?check=${check}` },
        ...Object.fromEntries(SCAN_TABS.map((tab) => [`scans-${tab}`, `/scans?tab=${tab}`])),
      };
      for (const [name, path] of Object.entries(places)) {
        if (!isWanted(name)) continue;
        await page.goto(harness.stack.apiUrl + path);
        await shot(name);
      }
      if (isWanted('settings-system') || isWanted('settings-policies')) {
        await page.goto(`${harness.stack.apiUrl}/settings`);
        await page.getByRole('region', { name: 'Gateways and services' }).getByRole('row').nth(1).waitFor();
        await page.getByRole('region', { name: 'Gateways and services' }).scrollIntoViewIfNeeded();
        await shot('settings-system');
        await page.getByRole('region', { name: 'Policies' }).scrollIntoViewIfNeeded();
        await shot('settings-policies');
      }
      await page.context().close();
    }
  }
  const page = await browser.page(await browser.context(), '/sign-in');
  await page.waitForTimeout(SETTLE_MS);
  await page.screenshot({ path: join(folder, 'sign-in-light-1280.png') });
  console.log(`Screenshots are in ${folder}.`);
} finally {
  await browser.close();
  await fleet.stop();
  await harness.close();
}

/** Runs a scan to its end, which endpoints that say nothing put off until its deadline. */
async function scanned(pack: string, selector: string): Promise<string> {
  const { id } = await harness.api.call('POST /v1/scans', { body: { pack, selector, timeout: '10s' } });
  await eventually(
    async () => (await harness.api.call('GET /v1/scans/{id}', { params: { id } })).recorded,
    'the scan is counted',
    60_000,
  );
  return id;
}

/** A check that fails somewhere, with much to show. */
async function failing(id: string): Promise<string> {
  const { checks = [] } = await harness.api.call('GET /v1/scans/{id}', { params: { id } });
  return checks.find(({ fail, severity }) => fail > 0 && severity === 'high')?.id ?? '';
}
