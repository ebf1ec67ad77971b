import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import type { Harness } from '../kit/harness.js';
import { choose, seriousFaults, type ConsoleBrowser, type Parts } from './console-browser.js';

/** A check that fails on every Linux, so that there is something to accept; and scans of a schedule that compare with no other ones. */
const PACK = `kind: muster/pack
format: 1
id: accepted
version: 1.0.0
title: What is accepted
checks:
  - { id: always-fails, title: It has no system, severity: high, platforms: [linux], sql: SELECT name FROM os_version, row_means: fail }
`;
const REAL = 'version=0.1.0';
const SCHEDULE = 'Each minute of the test';

/** Schedules, exceptions and vulnerabilities in the browser, on the stack of the file that calls it. */
export function postureTests(parts: () => Parts): void {
  describe('Scans, further tabs', () => {
    let harness: Harness;
    let browser: ConsoleBrowser;
    let page: Page;
    beforeAll(async () => {
      ({ harness, browser } = parts());
      await harness.api.call('POST /v1/packs', { body: { text: PACK } });
      page = await browser.signedIn('/scans?tab=schedules');
    });
    afterAll(() => page?.context().close());

    test('Schedules: one is made with other moments than the presets, paused and resumed, and the address has it', async () => {
      await page.getByText('No scan starts by itself').waitFor();
      await page.getByRole('button', { name: 'New schedule…' }).click();
      const form = page.getByRole('dialog');
      await form.getByLabel('Name').fill(SCHEDULE);
      await choose(page, /Pack, its newest/, 'accepted');
      await form.getByRole('combobox', { name: 'Which endpoints' }).fill(REAL);
      await form.getByText('1 live').waitFor();
      await choose(page, /When$/, 'other moments');
      await form.getByLabel('Cron expression').fill('* * *');
      await form.getByText('five fields').waitFor();
      expect(await form.getByRole('button', { name: 'Make the schedule' }).isDisabled()).toBe(true);
      await form.getByLabel('Cron expression').fill('* * * * *');
      expect(await seriousFaults(page)).toEqual([]);
      await form.getByRole('button', { name: 'Make the schedule' }).click();
      await form.waitFor({ state: 'detached' });
      await page.getByRole('grid', { name: 'Schedules' }).getByText(SCHEDULE).click();
      await page.waitForURL(/schedule=/);
      const drawer = page.getByRole('dialog', { name: SCHEDULE });
      await drawer.getByText('* * * * *').waitFor();
      await drawer.getByRole('button', { name: 'Pause' }).click();
      await drawer.getByText('none, it is paused').waitFor();
      await drawer.getByRole('button', { name: 'Resume' }).click();
      await drawer.getByRole('button', { name: 'Pause' }).waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.keyboard.press('Escape');
      await drawer.waitFor({ state: 'detached' });
      expect(page.url()).not.toContain('schedule=');
    });

    test('Packs: one is removed, unless a schedule runs it', async () => {
      await harness.api.call('POST /v1/packs', { body: { text: PACK.replace('id: accepted', 'id: unwanted') } });
      await page.goto(`${harness.stack.apiUrl}/scans?tab=packs`);
      const remove = async (id: string): Promise<void> => {
        await page.getByRole('button', { name: new RegExp(`^${id} `) }).click();
        const drawer = page.getByRole('dialog', { name: id });
        await drawer.getByRole('button', { name: 'Remove it…' }).click();
        expect(await seriousFaults(page)).toEqual([]);
        await drawer.getByRole('button', { name: 'Remove it' }).click();
      };
      await remove('accepted');
      await page
        .getByRole('dialog')
        .getByText(/schedules run accepted: Each minute of the test/)
        .waitFor();
      await page.keyboard.press('Escape');
      await remove('unwanted');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await page.getByRole('button', { name: /^unwanted / }).waitFor({ state: 'detached' });
      await page.getByRole('button', { name: /^accepted / }).waitFor();
    });

    test('Exceptions: made where a check fails, shown as excepted in the next scan, and ended', async () => {
      const { id } = await harness.api.call('POST /v1/scans', { body: { pack: 'accepted', selector: REAL } });
      await page.goto(`${harness.stack.apiUrl}/scans/${id}?check=always-fails`);
      const drawer = page.getByRole('dialog');
      await drawer.getByRole('button', { name: 'Accept…' }).click();
      await drawer.getByLabel(/^Why/).fill('it is a test');
      await drawer.getByText('1 live').waitFor();
      await drawer.getByRole('button', { name: 'Accept it' }).click();
      await page.getByRole('dialog', { name: 'Accepted' }).getByText('always-fails').waitFor();
      await page.keyboard.press('Escape');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Scan again' }).click();
      await page.waitForURL((url) => !url.href.includes(id));
      await page.getByText('0 of 1 check fail somewhere').waitFor();
      await choose(page, /Which checks/, 'what may fail, by exceptions');
      await page.getByRole('grid', { name: 'Checks' }).getByText('It has no system').click();
      await page
        .getByRole('dialog')
        .getByText(/1 endpoint may fail until .*it is a test/)
        .waitFor();
      expect(await page.getByRole('button', { name: 'Accept…' }).count()).toBe(0);
      await page.keyboard.press('Escape');
      await page.getByRole('link', { name: 'All scans' }).click();
      await page.getByRole('tab', { name: 'Exceptions' }).click();
      await page.getByText('it is a test').waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.getByRole('button', { name: 'End it now…' }).click();
      await page.getByRole('button', { name: 'End it now', exact: true }).click();
      await page.getByText('No check may fail').waitFor();
    });

    describe('Vulnerabilities', () => {
      test('without a feed every package is not known, and nothing looks safe', async () => {
        await page.getByRole('tab', { name: 'Vulnerabilities' }).click();
        await page.getByText('No scan for vulnerabilities has ended yet').waitFor();
        await page.getByRole('combobox', { name: 'Whose software' }).fill(REAL);
        await scan(page);
        await page.getByText(/^Of .* nobody knows whether they are vulnerable/).waitFor();
        await page.getByRole('button', { name: 'What is not known' }).click();
        const drawer = page.getByRole('dialog', { name: 'What is not known' });
        await drawer.getByText('None of these counts as safe.').waitFor();
        await drawer
          .getByText(/no records/)
          .first()
          .waitFor();
        expect(await seriousFaults(page)).toEqual([]);
        await page.keyboard.press('Escape');
        await page.getByText('That does not mean that there is none').waitFor();
      });

      test('with a feed a vulnerable package is found: who has it, what of it is known, the filters in the address', async () => {
        const { name, ecosystem } = await unknownPackage(harness);
        await importFeed(harness, { name, ecosystem });
        await scan(page);
        await page.getByRole('grid', { name: 'Vulnerabilities' }).getByText('CVE-2026-4711').click();
        const drawer = page.getByRole('dialog', { name: 'CVE-2026-4711' });
        await drawer.getByText(name, { exact: true }).waitFor();
        await drawer.getByText('No version without it is known.').first().waitFor();
        await drawer.getByText('<b>flawed</b>').waitFor();
        expect(await seriousFaults(page)).toEqual([]);
        await page.keyboard.press('Escape');
        await drawer.waitFor({ state: 'detached' });
        await page.getByText('1 vulnerability', { exact: true }).waitFor();
        expect(await seriousFaults(page)).toEqual([]);
        await page.locator('label').getByText('exploited', { exact: true }).click();
        await page.waitForURL(/exploited=yes/);
        await page.getByText('None is known that passes the filters').waitFor();
        await page.getByRole('button', { name: 'Feeds…' }).click();
        await page.getByRole('dialog', { name: 'Feeds' }).getByText('1 record, 1 ecosystem').waitFor();
        await page.keyboard.press('Escape');
      });
    });
  });
}

/** The scan that a schedule started by itself: called last, as a moment comes each minute. */
export function firedScheduleTest(parts: () => Parts): void {
  test('a schedule has started a scan by itself, which is a link at its moment; then it is deleted', async () => {
    const { browser } = parts();
    const page = await browser.signedIn('/scans?tab=schedules');
    // A minute and what a busy machine adds.
    await page.getByRole('grid', { name: 'Schedules' }).getByText('started').waitFor({ timeout: 90_000 });
    await page.getByText(SCHEDULE).click();
    const drawer = page.getByRole('dialog', { name: SCHEDULE });
    await drawer.getByRole('link', { name: 'its scan' }).first().waitFor();
    await drawer.getByRole('button', { name: 'Delete it…' }).click();
    await drawer.getByRole('button', { name: 'Delete it', exact: true }).click();
    await page.getByText('No scan starts by itself').waitFor();
    await page.context().close();
  });
}

/** Scans for vulnerabilities, to the end. */
async function scan(page: Page): Promise<void> {
  const button = page.getByRole('button', { name: 'Scan for vulnerabilities' });
  await button.click();
  await page.getByRole('button', { name: 'It runs…' }).waitFor();
  await button.waitFor();
}

/** A package of this machine of whose ecosystem nothing is known. */
async function unknownPackage({ api }: Harness): Promise<{ readonly name: string; readonly ecosystem: string }> {
  const { items } = await api.call('GET /v1/vulnerability-scans', { query: {} });
  const { notKnown = [] } = await api.call('GET /v1/vulnerability-scans/{id}', { params: { id: items[0]?.id ?? '' } });
  const { ecosystem = '', sample = [] } = notKnown.find(({ reason }) => reason.includes('no records')) ?? {};
  return { ecosystem, name: sample[0]?.replace(/ \S+$/, '') ?? '' };
}

/** A feed with one record: each version of the package is vulnerable. */
async function importFeed({ api }: Harness, of: { readonly name: string; readonly ecosystem: string }): Promise<void> {
  const record = {
    ...{ schema_version: '1.7.0', id: 'TEST-1', upstream: ['CVE-2026-4711'], modified: '2026-11-01T00:00:00Z' },
    ...{ summary: 'It is <b>flawed</b>', severity: [{ type: 'CVSS_V3', score: CRITICAL }] },
    affected: [{ package: of, ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }] }] }],
  };
  const params = { name: 'browser' };
  const { upload } = await api.call('POST /v1/feeds/{name}/uploads', { params, body: { kind: 'osv' } });
  const data = deflateRawSync(JSON.stringify(record)).toString('base64');
  await api.call('PUT /v1/feeds/{name}/parts', { params, body: { upload, part: 0, data } });
  await api.call('POST /v1/feeds/{name}/versions', { params, body: { upload, parts: 1 } });
}

const CRITICAL = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H';
