import { describe, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import type { Page } from 'playwright-core';
import { ask, choose, PATIENCE_MS, seriousFaults, type Parts } from './console-browser.js';

const SIMULATED = 'os=linux,version!=0.1.0';

/** What must not happen by one press, twice, or as somebody else; and what a page says when something beneath it has gone. */
export function safetyTests(parts: () => Parts): void {
  commandTests(parts);
  sessionTests(parts);

  test('a part that is gone since the API was upgraded: the page stays, and offers to load it again', async () => {
    const { browser } = parts();
    const page = await browser.signedIn('/fleet');
    await page.route(/\/act-panel-[^/]*\.js/, (route) => route.fulfill({ status: 404, body: '' }));
    await page.getByRole('button', { name: 'Act on all…' }).click();
    await page.getByText('This part of the console cannot be loaded').waitFor();
    expect(await page.getByRole('grid', { name: 'Endpoints' }).count()).toBe(1);
    await page.unroute(/\/act-panel-[^/]*\.js/);
    await page.getByRole('button', { name: 'Load the page again' }).click();
    await page.getByRole('button', { name: 'Act on all…' }).click();
    await page.getByRole('dialog', { name: 'Act on all endpoints' }).waitFor();
    await page.context().close();
  });
}

function commandTests(parts: () => Parts): void {
  describe('Nothing reaches many by one press', () => {
    const order = (page: Page) => page.getByRole('button', { name: 'Order', exact: true });
    const attempt = (page: Page) => page.getByRole('button', { name: 'Try without changing anything' });

    test('an order waits until its try has ended, and does not come after one that failed', async () => {
      const { browser, harness } = parts();
      const { items } = await harness.api.call('GET /v1/agents', { query: { selector: SIMULATED, limit: 1 } });
      const page = await browser.signedIn(`/fleet/${items[0]?.agentId}`);
      await page.getByRole('button', { name: 'Act…' }).click();
      await choose(page, /Action$/, 'service.restart');
      await page.getByLabel('name, needed').fill('cron');
      let letGo = (): void => undefined;
      const held = new Promise<void>((resolve) => (letGo = resolve));
      await page.route(/\/v1\/commands\?wait=/, async (route) => {
        await held;
        await route.fulfill({
          status: 422,
          contentType: 'application/problem+json',
          body: '{"detail":"no such thing"}',
        });
      });
      await attempt(page).click();
      await page.getByText('1 target: 1 connected now').waitFor();
      expect(await order(page).isDisabled()).toBe(true);
      letGo();
      await page.getByText('no such thing').waitFor();
      expect(await order(page).isDisabled()).toBe(true);
      await page.unroute(/\/v1\/commands\?wait=/);
      await attempt(page).click();
      await page.locator('[data-ledger=succeeded]').waitFor();
      expect(await order(page).isEnabled()).toBe(true);
      await page.context().close();
    });

    test('labels and channels of all that match say for how many, and have the number typed', async () => {
      const { browser, harness } = parts();
      const { counts } = await harness.api.call('GET /v1/agents', { query: { counts: '', limit: 1 } });
      const page = await browser.signedIn('/fleet');
      await page.getByRole('button', { name: 'Labels…' }).click();
      await page.getByLabel('Set', { exact: true }).fill('never=set');
      const set = page.getByRole('button', { name: `Set labels of ${counts?.total} endpoints` });
      await set.waitFor();
      expect(await set.isDisabled()).toBe(true);
      await page.getByLabel(`Type ${counts?.total} to do it for ${counts?.total} endpoints`).fill(`${counts?.total}`);
      expect(await set.isEnabled()).toBe(true);
      expect(await seriousFaults(page)).toEqual([]);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Live or Poll…' }).click();
      const mode = page.getByRole('button', { name: `Order it for ${counts?.total} endpoints` });
      await mode.waitFor();
      expect(await mode.isDisabled()).toBe(true);
      await page.context().close();
    });

    test('undo and order again open a panel: the one has the number typed, the other is the same order, tried first', async () => {
      const { browser, harness } = parts();
      const { id } = await harness.api.call('POST /v1/commands', {
        body: {
          ...{ action: 'service.stop', params: { name: 'cron' }, target: { selector: SIMULATED }, expiresIn: '2h' },
          ...{ reason: 'the night shift', rollout: { canary: 12, step: '50%', pause: '1h', abortOver: 1 } },
        },
      });
      const show = () => harness.api.call('GET /v1/commands/{id}', { params: { id } });
      await eventually(async () => (await show()).ledger.succeeded >= 12, 'the canary succeeds', PATIENCE_MS);
      await harness.api.call('DELETE /v1/commands/{id}', { params: { id } });
      await eventually(async () => (await show()).status === 'ended', 'it is cancelled', PATIENCE_MS);
      const { ledger } = await show();
      expect(ledger.cancelled).toBeGreaterThan(0);
      const page = await browser.signedIn(`/commands/${id}`);
      await page.getByRole('button', { name: `Undo on ${ledger.succeeded} targets…` }).click();
      const undo = page.getByRole('button', { name: `Undo on ${ledger.succeeded} targets`, exact: true });
      expect(await undo.isDisabled()).toBe(true);
      await page.getByLabel(`Type ${ledger.succeeded} to undo it`).fill(`${ledger.succeeded}`);
      expect(await undo.isEnabled()).toBe(true);
      expect(await seriousFaults(page)).toEqual([]);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: `Order again for the ${ledger.cancelled}…` }).click();
      await page.getByRole('button', { name: /as before: 12 first, then 50%/ }).waitFor();
      expect(await page.getByLabel(/^Reason/).inputValue()).toBe('the night shift');
      expect(await page.getByLabel('name, needed').inputValue()).toBe('cron');
      expect(await order(page).isDisabled()).toBe(true);
      await attempt(page).click();
      await page.getByText(`${ledger.cancelled} target`).first().waitFor();
      await page.context().close();
    });
  });
}

function sessionTests(parts: () => Parts): void {
  describe('The session beneath a page', () => {
    async function token(name: string): Promise<{ readonly id: string; readonly token: string }> {
      const made = await parts().harness.api.call('POST /v1/tokens', { body: { name, role: 'admin' } });
      return { id: made.tokenId, token: made.token ?? '' };
    }

    test('ends while nobody presses anything: the page asks to sign in', async () => {
      const { browser, harness } = parts();
      const ann = await token('Ann');
      const page = await browser.signedIn('/ask', {}, ann.token);
      await ask(page, 'SELECT name FROM os_version', 'os=linux');
      await page.getByRole('grid', { name: 'Rows' }).getByRole('row').nth(1).waitFor();
      await harness.api.call('DELETE /v1/tokens/{id}', { params: { id: ann.id } });
      await page.getByRole('alertdialog', { name: 'Your session has ended' }).waitFor();
      await page.context().close();
    });

    test('is not ended by the server: signing out says so, and the page stays', async () => {
      const { browser } = parts();
      const page = await browser.signedIn('/fleet');
      await page.route('**/v1/session', (route) =>
        route.request().method() === 'DELETE' ? route.fulfill({ status: 503, body: '' }) : route.continue(),
      );
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('alertdialog', { name: 'You are still signed in' }).waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.unroute('**/v1/session');
      await page.getByRole('button', { name: 'Try again' }).click();
      await page.getByLabel('Operator token').waitFor();
      await page.context().close();
    });

    test('is by now of somebody else: an order that was tried is not sent, is in no doubt, and is tried again', async () => {
      const { browser, harness } = parts();
      const [cleo, dora] = [await token('Cleo'), await token('Dora')];
      const { items } = await harness.api.call('GET /v1/agents', { query: { selector: SIMULATED, limit: 1 } });
      const page = await browser.signedIn(`/fleet/${items[0]?.agentId}`, {}, cleo.token);
      await page.getByRole('button', { name: 'Act…' }).click();
      await choose(page, /Action$/, 'service.restart');
      await page.getByLabel('name, needed').fill('cron');
      await page.getByLabel(/^Reason/).fill('ordered by whom');
      await page.getByRole('button', { name: 'Try without changing anything' }).click();
      await page.locator('[data-ledger=succeeded]').waitFor();
      await page.context().request.post(`${harness.stack.apiUrl}/v1/session`, {
        headers: { 'muster-request': 'console', 'sec-fetch-site': 'same-origin' },
        data: { token: dora.token },
      });
      const order = page.getByRole('button', { name: 'Order', exact: true });
      await order.click();
      await page.getByText('Somebody else has signed in').waitFor();
      expect(await page.getByText('Nobody knows whether it was ordered').count()).toBe(0);
      expect(await order.isDisabled()).toBe(true);
      const all = await harness.api.all('GET /v1/commands', { limit: 50 });
      expect(all.filter(({ reason, dryRun }) => reason === 'ordered by whom' && !dryRun)).toEqual([]);
      await page.context().close();
    });

    test('is by now of somebody else: what the page sends is not done, and it shows who is signed in', async () => {
      const { browser, harness } = parts();
      const [cleo, dora] = [await token('Cleo'), await token('Dora')];
      const page = await browser.signedIn('/settings', {}, cleo.token);
      await page.getByText('Cleo').first().waitFor();
      // The page does not hear of it.
      await page.context().request.post(`${harness.stack.apiUrl}/v1/session`, {
        headers: { 'muster-request': 'console', 'sec-fetch-site': 'same-origin' },
        data: { token: dora.token },
      });
      const tokens = page.getByRole('region', { name: 'Tokens' });
      await tokens.getByLabel('Name').fill('made by whom');
      await tokens.getByRole('button', { name: 'Make a token' }).click();
      await page.getByText('Somebody else has signed in').waitFor();
      await page.getByRole('navigation').getByText('Dora').waitFor();
      const all = await harness.api.all('GET /v1/tokens');
      expect(all.map(({ name }) => name)).not.toContain('made by whom');
      await page.context().close();
    });
  });
}
