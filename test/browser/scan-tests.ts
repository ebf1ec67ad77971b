import { spawn, type ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { choose, seriousFaults, type Parts } from './console-browser.js';

const MARK = '86397';
/**
 * A check that a process of the test fails, and an action that mends it; and what a hostile endpoint could say as
 * evidence. It names the process: where the path of any other one cannot be read, "there is none" is no verdict.
 */
const packFor = (pid: number | undefined): string => `kind: muster/pack
format: 1
id: browser
version: 1.0.0
title: Checks of the browser test
checks:
  - id: no-sleeper
    title: Nobody sleeps for a day
    severity: critical
    platforms: [linux]
    sql: SELECT pid, start_time, path, name FROM processes WHERE pid = ${pid} AND cmdline = 'sleep ${MARK}'
    row_means: fail
    evidence: [pid, start_time, path, name]
    remediation: End the sleeper.
    action: { name: process.kill }
  - { id: has-system, title: It has a system, severity: high, platforms: [linux], sql: SELECT name FROM os_version, row_means: pass }
  - id: hostile
    title: Its words are harmless
    severity: low
    platforms: [linux]
    sql: SELECT '<img src=x onerror="document.title=3">' AS markup, 'exe.' || char(8238) || 'gpj' AS reordered
    row_means: fail
`;

/** Scans in the browser, on the stack of the file that calls it. */
export function scanTests(parts: () => Parts): void {
  describe('Scans', () => {
    let page: Page;
    let sleeper: ChildProcess;
    let ended: Promise<NodeJS.Signals | null>;
    beforeAll(async () => {
      const { harness, browser } = parts();
      sleeper = spawn('sleep', [MARK]);
      ended = new Promise((resolve) => sleeper.once('exit', (_, signal) => resolve(signal)));
      await harness.api.call('POST /v1/packs', { body: { text: packFor(sleeper.pid) } });
      page = await browser.signedIn('/scans');
    });
    afterAll(async () => {
      sleeper?.kill('SIGKILL');
      await page?.context().close();
    });

    test('a pack is run on a selection whose count is shown; the checks that fail are listed, the worst first', async () => {
      const form = page.getByRole('form', { name: 'Run a scan' });
      await choose(page, /Pack$/, 'browser 1.0.0');
      await form.getByRole('combobox', { name: 'Which endpoints' }).fill('version=0.1.0');
      await form.getByText('1 live').waitFor();
      await form.getByRole('button', { name: 'Run the scan' }).click();
      await page.waitForURL(/\/scans\/q/);
      await page.getByText('2 of 3 checks fail somewhere').waitFor();
      // 7 of 10 + 7 + 1.
      await page.getByText('38.9', { exact: true }).waitFor();
      const rows = page.getByRole('grid', { name: 'Checks' }).getByRole('row');
      expect(await rows.nth(1).innerText()).toContain('Nobody sleeps for a day');
      expect(await rows.count()).toBe(3);
      expect(await seriousFaults(page)).toEqual([]);
    });

    test('evidence that is markup or reorders text is shown as it is', async () => {
      await page.getByRole('grid', { name: 'Checks' }).getByText('Its words are harmless').click();
      const drawer = page.getByRole('dialog');
      await drawer.getByText('<img src=x onerror=').waitFor();
      expect(await drawer.innerText()).toContain('exe.\\u{202e}gpj');
      expect(await drawer.locator('img').count()).toBe(0);
      expect(await page.title()).toBe('Muster');
      expect(await seriousFaults(page)).toEqual([]);
      await page.keyboard.press('Escape');
      await drawer.waitFor({ state: 'detached' });
    });

    test('a check is mended: its evidence, its remediation, the action tried first, and then the very process ends', async () => {
      await page.getByRole('grid', { name: 'Checks' }).getByText('Nobody sleeps for a day').click();
      const drawer = page.getByRole('dialog');
      await drawer.getByRole('cell', { name: String(sleeper.pid), exact: true }).waitFor();
      await drawer.getByText('End the sleeper.').waitFor();
      await drawer.getByRole('button', { name: 'Mend with process.kill…' }).click();
      await page.getByRole('button', { name: 'Try without changing anything' }).click();
      await page.getByText('1 target: 1 connected now').waitFor();
      await page.getByText(/would/).first().waitFor();
      expect(sleeper.exitCode ?? sleeper.signalCode).toBeNull();
      await page.getByRole('button', { name: 'Order', exact: true }).click();
      await page.waitForURL(/\/commands\//);
      await page.locator('[data-ledger=succeeded]').waitFor();
      expect(await ended).toBe('SIGKILL');
      // Back to the scan with the check that was open.
      await page.goBack();
      await page.getByRole('dialog').getByText('End the sleeper.').waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    });

    test('the next scan says what was mended, and the list has both', async () => {
      const before = page.url();
      await page.getByRole('button', { name: 'Scan again' }).click();
      await page.waitForURL((url) => url.pathname.startsWith('/scans/q') && url.href !== before);
      await page.getByRole('button', { name: '0 checks fail now, 1 mended' }).click();
      const rows = page.getByRole('grid', { name: 'Checks' }).getByRole('row');
      await rows.nth(1).getByText('Nobody sleeps for a day').waitFor();
      expect(await rows.count()).toBe(2);
      await page.getByRole('link', { name: 'All scans' }).click();
      await page.getByRole('grid', { name: 'Scans' }).getByRole('row').filter({ hasText: 'browser' }).nth(1).waitFor();
    });
  });
}
