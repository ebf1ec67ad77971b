import { describe, expect, test } from '@jest/globals';
import { seriousFaults, type Parts } from './console-browser.js';

/** How the system is set up, on the stack of the file that calls it. */
export function settingsTests(parts: () => Parts): void {
  describe('Settings', () => {
    test('an admin sees gateways and services with versions, the policies in force, and with which secrets endpoints enrol', async () => {
      const { browser, harness } = parts();
      const page = await browser.signedIn('/settings');
      const services = page.getByRole('region', { name: 'Gateways and services' });
      for (const kind of ['gateway', 'query', 'command', 'telemetry', 'posture', 'api']) {
        const row = services.getByRole('row').filter({ has: page.getByRole('cell', { name: kind, exact: true }) });
        await row.first().getByText('running').waitFor();
        expect(await row.first().innerText()).toMatch(/\d+\.\d+\.\d+/);
      }
      const policies = page.getByRole('region', { name: 'Policies' });
      await policies.getByText('service.restart').waitFor();
      await policies.getByText('at the console, not more than').first().waitFor();
      await policies.getByText('dns.*').waitFor();
      const secrets = page.getByRole('region', { name: 'Enrolment secrets' });
      await secrets.getByText('active').first().waitFor();
      await secrets.getByText('muster keys enroll-secret').waitFor();
      expect(await secrets.innerText()).not.toContain(harness.stack.enrollSecret);
      expect(await seriousFaults(page)).toEqual([]);
      await page.context().close();
    });

    test('who may not see it is shown none of it', async () => {
      const { browser, harness } = parts();
      const made = await harness.api.call('POST /v1/tokens', { body: { name: 'Vera', role: 'viewer' } });
      const page = await browser.signedIn('/settings', {}, made.token);
      await page.getByRole('region', { name: 'Sessions' }).waitFor();
      for (const name of ['Gateways and services', 'Policies', 'Enrolment secrets', 'Tokens'])
        expect([name, await page.getByRole('region', { name }).count()]).toEqual([name, 0]);
      await page.context().close();
    });
  });
}
