import { describe, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import type { Page } from 'playwright-core';
import { choose, PATIENCE_MS, seriousFaults, type Parts } from './console-browser.js';

const PACK = `kind: muster/pack
format: 1
id: endpoint
version: 1.0.0
title: Checks of one endpoint
checks:
  - { id: fails, title: It has no system, severity: high, platforms: [linux], sql: SELECT name FROM os_version, row_means: fail }
  - { id: passes, title: It has a system, severity: low, platforms: [linux], sql: SELECT name FROM os_version, row_means: pass }
`;

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

    test('each tab has an address: a colleague sees the same, and back and forward go through them', async () => {
      const page = await open('version=0.1.0');
      const selected = (of: Page) => of.getByRole('tab', { selected: true });
      await page.getByRole('tab', { name: 'Users' }).click();
      await page.getByRole('grid', { name: 'Rows' }).getByText('root').first().waitFor();
      expect(new URL(page.url()).search).toBe('?tab=users');
      await page.getByRole('tab', { name: 'Commands' }).click();
      await page.goBack();
      await page.getByRole('grid', { name: 'Rows' }).waitFor();
      expect(await selected(page).innerText()).toBe('Users');
      await page.goBack();
      await page.getByRole('region', { name: 'Live metrics' }).waitFor();
      expect(new URL(page.url()).search).toBe('');
      await page.goForward();
      await page.getByRole('grid', { name: 'Rows' }).waitFor();
      const colleague = await page.context().newPage();
      await colleague.goto(page.url());
      await colleague.getByRole('grid', { name: 'Rows' }).getByText('root').first().waitFor();
      expect(await selected(colleague).innerText()).toBe('Users');
      // A tab that there is not, or no more, is no dead end.
      await colleague.goto(page.url().replace('users', 'none'));
      await colleague.getByRole('region', { name: 'Live metrics' }).waitFor();
      await page.context().close();
    });

    test('it has its own commands with how they went, and what fails on it by the newest scan', async () => {
      const { api } = parts().harness;
      const selector = 'version=0.1.0';
      const order = {
        action: 'process.kill',
        params: { name: 'muster-none-such' },
        target: { selector },
        dryRun: true,
      };
      await api.call('POST /v1/commands', { body: { ...order, reason: 'to be listed' }, query: { wait: '20s' } });
      await api.call('POST /v1/packs', { body: { text: PACK } });
      const { id } = await api.call('POST /v1/scans', { body: { pack: 'endpoint', selector } });
      const isRecorded = async () => (await api.call('GET /v1/scans/{id}', { params: { id } })).recorded;
      await eventually(isRecorded, 'the scan is counted', PATIENCE_MS);
      const page = await open(selector);
      await page.getByRole('tab', { name: 'Findings' }).click();
      const findings = page.getByRole('grid', { name: 'Findings of this endpoint' });
      const ofPack = findings.getByRole('row').filter({ hasText: 'endpoint' });
      await ofPack.getByText('It has no system').waitFor();
      expect(await ofPack.count()).toBe(1);
      expect(await seriousFaults(page)).toEqual([]);
      await page.getByRole('tab', { name: 'Commands' }).click();
      await page.getByRole('grid', { name: 'Commands of this endpoint' }).getByText('to be listed').waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.getByRole('tab', { name: 'Findings' }).click();
      await ofPack.getByText('It has no system').click();
      await page.waitForURL(new RegExp(`/scans/${id}.*check=fails`));
      await page.getByRole('dialog', { name: 'It has no system' }).waitFor();
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
