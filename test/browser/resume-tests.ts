import { describe, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import type { Page } from 'playwright-core';
import { ask, ledger, PATIENCE_MS, type Parts } from './console-browser.js';

/** The API is killed while a page follows something, and started again by what runs it. */
export function resumeTests(parts: () => Parts): void {
  describe('The API is killed and comes back', () => {
    /** Kills the API, and returns when the page follows its stream again. */
    async function killApi(page: Page): Promise<void> {
      parts().harness.stack.apis[0]?.signal('SIGKILL');
      await page.getByText(/^stale since \d/).waitFor();
      await page.getByRole('navigation').getByText('live', { exact: true }).waitFor();
    }

    test('while rows stream in: the page says since when it is stale, and has each row once in the end', async () => {
      const { browser } = parts();
      const page = await browser.signedIn('/ask');
      // Some endpoints answer after seconds.
      await ask(page, 'SELECT name, version FROM os_version');
      await page.getByRole('grid', { name: 'Rows' }).getByRole('row').nth(1).waitFor();
      expect((await ledger(page))['waiting']).toBeGreaterThan(0);
      await killApi(page);
      await eventually(async () => ((await ledger(page))['waiting'] ?? 0) === 0, 'all are settled', PATIENCE_MS);
      const { targeted = 0, answered = 0, error = 0 } = await ledger(page);
      expect([answered > 0, answered + error]).toEqual([true, targeted]);
      await page.getByText(`${answered} rows kept`).waitFor();
      await page.context().close();
    });

    test('while the charts of an endpoint are open: they go on without a gap', async () => {
      const { browser, harness } = parts();
      const { items } = await harness.api.call('GET /v1/agents', { query: { selector: 'version=0.1.0' } });
      const page = await browser.signedIn(`/fleet/${items[0]?.agentId}`);
      const charts = page.getByRole('region', { name: 'Live metrics' });
      await charts.getByText(/^used \d/).waitFor();
      await killApi(page);
      const then = await charts.innerText();
      await eventually(async () => (await charts.innerText()) !== then, 'samples come again', PATIENCE_MS);
      expect(await charts.getByText(/^No samples from/).count()).toBe(0);
      await page.context().close();
    });
  });
}
