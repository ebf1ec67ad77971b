import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import type { Harness } from '../kit/harness.js';
import { choose, seriousFaults, type Parts } from './console-browser.js';

/** What a second person must approve, by the policy of the stack: the file that calls it starts it with one for `dns.*`. */
export function approvalTests(parts: () => Parts): void {
  describe('Act with approval, two persons at two browsers', () => {
    let harness: Harness;
    let dan: Page;
    let eve: Page;
    let endpoint: string;
    beforeAll(async () => {
      const { browser, harness: started } = parts();
      harness = started;
      const query = { selector: 'os=linux,version!=0.1.0', limit: 1 };
      const { items } = await harness.api.call('GET /v1/agents', { query });
      endpoint = `/fleet/${items[0]?.agentId}`;
      const token = async (name: string): Promise<string> => {
        const minted = await harness.api.call('POST /v1/tokens', { body: { name, role: 'admin' } });
        return minted.token ?? '';
      };
      dan = await browser.signedIn(endpoint, {}, await token('Dan'));
      eve = await browser.signedIn('/settings', {}, await token('Eve'));
    });
    afterAll(async () => {
      await dan?.context().close();
      await eve?.context().close();
    });

    /** Dan asks for approval, and Eve hears of it. */
    async function askedFor(reason: string): Promise<void> {
      await dan.goto(harness.stack.apiUrl + endpoint);
      await dan.getByRole('button', { name: 'Act…' }).click();
      await choose(dan, /Action$/, 'dns.flush');
      await dan.getByLabel(/^Reason/).fill(reason);
      await dan.getByRole('button', { name: 'Try without changing anything' }).click();
      await dan.getByRole('button', { name: 'Ask for approval' }).click();
      await dan.waitForURL(/\/commands\//);
      await dan.getByText('You ordered it, so somebody else must approve it.').waitFor();
      expect(await dan.getByRole('button', { name: /^Approve/ }).count()).toBe(0);
      await eve.getByRole('link', { name: /^Commands.*1 waiting for your approval/ }).click();
      await eve.getByRole('article').getByText(reason).waitFor();
    }

    test('the second person hears of it without loading anything, approves it, and the first one sees it succeed', async () => {
      await askedFor('names are stale');
      expect(await seriousFaults(eve)).toEqual([]);
      expect(await dan.locator('[data-ledger=succeeded]').count()).toBe(0);
      await eve.getByRole('button', { name: 'Approve for 1 target' }).click();
      await dan.locator('[data-ledger=succeeded]').waitFor();
      await dan.getByText('approved by Eve').waitFor();
      await eve.getByRole('article').waitFor({ state: 'detached' });
    });

    test('the second person rejects it with a reason, which the first one is told; nothing runs', async () => {
      await askedFor('names are stale again');
      await eve.getByLabel('Why it is rejected').fill('not during the audit');
      await eve.getByRole('button', { name: 'Reject' }).click();
      await dan.getByText(/by Eve: .*not during the audit/).waitFor();
      await dan.locator('[data-ledger=cancelled]').waitFor();
      expect(await dan.locator('[data-ledger=succeeded]').count()).toBe(0);
    });
  });
}
