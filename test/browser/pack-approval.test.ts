import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApiClient } from '@muster/api-client';
import { startHarness, type Harness } from '../kit/harness.js';
import { ConsoleBrowser, seriousFaults } from './console-browser.js';

const text = (id: string, sql: string): string => `kind: muster/pack
format: 1
id: ${id}
version: 1.0.0
title: A pack that waits
checks:
  - { id: one, title: One, severity: high, platforms: [linux], sql: ${sql}, row_means: fail }
`;

/** The policy asks for a second person for packs; both are people at the console. */
describe('packs that wait for another admin, in the console', () => {
  let harness: Harness;
  let browser: ConsoleBrowser;
  let folder: string;
  let tokens: Record<'ann' | 'bob' | 'cyd', string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-browser-'));
    const policy = join(folder, 'policy.json');
    await writeFile(policy, JSON.stringify({ packs: { approval: true } }));
    harness = await startHarness({ postures: 1, env: { command: { MUSTER_COMMAND_POLICY_FILE: policy } } });
    browser = await ConsoleBrowser.launch(harness);
    const mint = async (name: string, role: 'admin' | 'analyst'): Promise<string> =>
      (await harness.api.call('POST /v1/tokens', { body: { name, role } })).token ?? '';
    tokens = { ann: await mint('ann', 'admin'), bob: await mint('bob', 'admin'), cyd: await mint('cyd', 'analyst') };
  });
  afterAll(async () => {
    await browser?.close();
    await harness?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const propose = (id: string, sql = 'SELECT 1') =>
    new ApiClient({ url: harness.stack.apiUrl, token: tokens.ann }).call('POST /v1/packs', {
      body: { text: text(id, sql) },
    });
  const at = (who: keyof typeof tokens) => browser.signedIn('/scans?tab=packs', {}, tokens[who]);

  test('another admin reads the text and approves it; an analyst reads it and decides nothing', async () => {
    await propose('first');
    const reader = await at('cyd');
    await reader.getByRole('button', { name: /^first .*waits for another admin/ }).click();
    await reader.getByRole('dialog').getByText('title: A pack that waits').waitFor();
    expect(await reader.getByRole('button', { name: /Approve|Reject|Withdraw/ }).count()).toBe(0);
    const page = await at('bob');
    await page.getByRole('button', { name: /^first .*waits for another admin/ }).click();
    const drawer = page.getByRole('dialog', { name: 'first, which waits' });
    await drawer.getByText('title: A pack that waits').waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await drawer.getByRole('button', { name: 'Approve 1 check' }).click();
    await drawer.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: /^first 1.0.0 .*applied by/ }).waitFor();
    expect(await harness.api.call('GET /v1/packs/{id}', { params: { id: 'first' } })).toMatchObject({
      approvedBy: { name: 'bob' },
    });
    await Promise.all([reader, page].map((one) => one.context().close()));
  });

  test('who asked withdraws it and does not approve it; what was read is what is decided on', async () => {
    await propose('second');
    const own = await at('ann');
    const other = await at('bob');
    for (const page of [own, other]) {
      await page.getByRole('button', { name: /^second / }).click();
      await page.getByRole('dialog').getByText('SELECT 1').waitFor();
    }
    await own.getByText('You asked for it').waitFor();
    expect(await own.getByRole('button', { name: /Approve/ }).count()).toBe(0);
    // Another text takes its place while it is read.
    await propose('second', 'SELECT 2');
    await other.getByRole('button', { name: 'Approve 1 check' }).click();
    await other.getByRole('dialog').getByRole('alert').waitFor();
    await other.keyboard.press('Escape');
    await other.getByRole('button', { name: /^second / }).click();
    await other.getByRole('dialog').getByText('SELECT 2').waitFor();
    await other.getByLabel('Why it is rejected').fill('not now');
    await other.getByRole('button', { name: 'Reject it' }).click();
    await other.getByRole('button', { name: /^second / }).waitFor({ state: 'detached' });
    const { items } = await harness.api.call('GET /v1/audit', { query: { action: 'pack.reject', limit: 1 } });
    expect(items).toMatchObject([{ actorName: 'bob', subject: 'second' }]);
    await propose('third');
    await own.keyboard.press('Escape');
    await own.getByRole('button', { name: /^third / }).click();
    await own.getByRole('button', { name: 'Withdraw it' }).click();
    await own.getByRole('button', { name: /^third / }).waitFor({ state: 'detached' });
    expect(await harness.api.call('GET /v1/pack-proposals', {})).toEqual({ items: [] });
    expect(browser.complaints).toEqual([]);
    await Promise.all([own, other].map((one) => one.context().close()));
  });
});
