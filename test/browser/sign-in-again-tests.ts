import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import type { Page } from 'playwright-core';
import type { Harness } from '../kit/harness.js';
import { choose, seriousFaults, type Parts } from './console-browser.js';

/** What the API's policy of the stack asks a recent sign-in for. No other test does any of it. */
export const RECENT = {
  maxAgeMs: 10_000,
  policy: {
    reauthentication: [
      { actions: ['service.restart'], maxAge: '10s' },
      { operations: ['webhook.*'], maxAge: '10s' },
    ],
  },
};

/** Signing in again before what the policy names, on the stack of the file that calls it. */
export function signInAgainTests(parts: () => Parts): void {
  describe('A recent sign-in is wanted', () => {
    let harness: Harness;
    let endpoint: string;
    let token: string;
    let page: Page;
    beforeAll(async () => {
      const { browser } = parts();
      ({ harness } = parts());
      const query = { selector: 'os=linux,version!=0.1.0', limit: 1 };
      const { items } = await harness.api.call('GET /v1/agents', { query });
      endpoint = `/fleet/${items[0]?.agentId}`;
      const made = await harness.api.call('POST /v1/tokens', { body: { name: 'Ada', role: 'admin' } });
      token = made.token ?? '';
      page = await browser.signedIn(endpoint, {}, token);
    });
    afterAll(() => page?.context().close());

    /** The sign-in of the page is older than the policy wants. */
    async function aged(): Promise<void> {
      const { createdAt, authenticatedAt = createdAt } = (await (
        await page.context().request.get(`${harness.stack.apiUrl}/v1/session`)
      ).json()) as { createdAt: string; authenticatedAt?: string };
      const oldAt = Date.parse(authenticatedAt) + RECENT.maxAgeMs;
      await eventually(() => Date.now() > oldAt, 'the sign-in is old', 2 * RECENT.maxAgeMs);
    }

    async function orderRestart(reason: string): Promise<void> {
      await page.goto(harness.stack.apiUrl + endpoint);
      await page.getByRole('button', { name: 'Act…' }).click();
      await choose(page, /Action$/, 'service.restart');
      await page.getByLabel('name, needed').fill('cron');
      await page.getByLabel(/^Reason/).fill(reason);
      await page.getByRole('button', { name: 'Try without changing anything' }).click();
      await page.getByText('1 target: 1 connected now').waitFor();
      await aged();
      await page.getByRole('button', { name: 'Order', exact: true }).click();
    }
    const ordered = async (reason: string): Promise<number> => {
      const { items } = await harness.api.call('GET /v1/commands', { query: {} });
      return items.filter((one) => one.reason === reason && !one.dryRun).length;
    };
    const dialog = () => page.getByRole('alertdialog', { name: 'Sign in again' });

    test('before an action: nothing is ordered without it, another token does not do, and then it is ordered once, as it was', async () => {
      await orderRestart('after the update');
      await dialog().waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      expect(await ordered('after the update')).toBe(0);
      await dialog().getByLabel('Operator token').fill(harness.stack.token);
      await page.keyboard.press('Enter');
      await dialog().getByText('that is not the token of this session').waitFor();
      await dialog().getByLabel('Operator token').fill(token);
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/commands\//);
      await page.getByText('after the update').waitFor();
      expect(await ordered('after the update')).toBe(1);
    });

    test('who gives it up is told why nothing was ordered, and everything stands as it was typed', async () => {
      await orderRestart('not this time');
      await dialog().waitFor();
      await page.keyboard.press('Escape');
      await dialog().waitFor({ state: 'detached' });
      await page.getByText(/the policy asks for a recent sign-in/).waitFor();
      expect(await page.getByLabel(/^Reason/).inputValue()).toBe('not this time');
      expect(await ordered('not this time')).toBe(0);
      await page.keyboard.press('Escape');
    });

    test('the API enforces it, whatever the page does', async () => {
      await aged();
      const refused = await page.context().request.post(`${harness.stack.apiUrl}/v1/webhooks`, {
        headers: { 'muster-request': 'console', 'sec-fetch-site': 'same-origin' },
        data: { url: 'https://hooks.example/x', events: ['query.ended'] },
      });
      expect([refused.status(), ((await refused.json()) as { code: string }).code]).toEqual([
        403,
        'reauthentication_required',
      ]);
    });

    test('a sign-in in another tab of the browser counts: by the same person the call goes on, by another it does not', async () => {
      const other = async (by: string): Promise<void> => {
        const made = await harness.api.fetch('/v1/session/links', {
          method: 'POST',
          body: {},
          headers: { authorization: `Bearer ${by}` },
        });
        const { path } = (await made.json()) as { path: string };
        const tab = await page.context().newPage();
        await tab.goto(harness.stack.apiUrl + path);
        await tab.getByRole('navigation', { name: 'Pages' }).waitFor();
        await tab.close();
      };
      await orderRestart('by a link');
      await dialog().waitFor();
      await other(token);
      await page.waitForURL(/\/commands\//);
      expect(await ordered('by a link')).toBe(1);
      await orderRestart('by somebody else');
      await dialog().waitFor();
      await other(harness.stack.token);
      await dialog().waitFor({ state: 'detached' });
      await page.getByText('Somebody else has signed in').waitFor();
      // By then the page knows them, and what waited must not become theirs by whatever sign-in comes next.
      await other(harness.stack.token);
      expect(await page.getByLabel(/^Reason/).inputValue()).toBe('by somebody else');
      expect(await ordered('by somebody else')).toBe(0);
    });
  });
}
