import { describe, test } from '@jest/globals';
import { choose, type Parts } from './console-browser.js';

/** The page of one endpoint, on the stack of the file that calls it. */
export function endpointTests(parts: () => Parts): void {
  describe('Endpoint', () => {
    /** The page of the first endpoint of a selection. */
    const open = async (selector: string) => {
      const { browser, harness } = parts();
      const { items } = await harness.api.call('GET /v1/agents', { query: { selector, limit: 1 } });
      return browser.signedIn(`/fleet/${items[0]?.agentId}`);
    };

    test('it has its charts with their past, and its tables', async () => {
      const page = await open('version=0.1.0');
      await page.getByText(/^used \d/).waitFor();
      await page.getByRole('tab', { name: 'Processes' }).click();
      await page
        .getByRole('grid', { name: 'Rows' })
        .getByText('systemd', { exact: false })
        .or(page.getByText('kthreadd'))
        .first()
        .waitFor();
      await page.context().close();
    });

    test('it is ordered to Poll and back to Live, and each time the page says so when it has changed', async () => {
      const page = await open('os=linux,version!=0.1.0');
      const order = async (mode: string, state: string): Promise<void> => {
        await page.getByRole('button', { name: 'Live or Poll…' }).click();
        await choose(page, /Channel$/, mode);
        if (state === 'poll') await choose(page, /How often it asks$/, 'every 1s');
        await page.getByRole('button', { name: 'Order it for 1 endpoint' }).click();
        await page.getByText('1 endpoint: 1 changed').waitFor();
        await page.keyboard.press('Escape');
        await page.locator(`[data-state=${state}]`).first().waitFor();
        await page.getByText(`${state} by bootstrap`).waitFor();
      };
      await page.locator('main [data-state=live]').waitFor();
      await order('Poll: asks at an interval', 'poll');
      await order('Live: a WebSocket, answers at once', 'live');
      await page.context().close();
    });
  });
}
