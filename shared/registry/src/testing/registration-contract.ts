import { describe, expect, it } from '@jest/globals';
import { OTHER_INSTANCE, registration, type RegistryHarness } from './registry-harness.js';

/** Registering and unregistering: epochs, repeats, order of the results. */
export function registrationContract(harness: RegistryHarness): void {
  describe('registrations', () => {
    it('of an agent without a holder get the hint as epoch, and can be looked up', async () => {
      expect(await harness.register('gw-a')).toEqual({ kind: 'registered', epoch: 1_000 });
      const found = await harness.presence();
      expect(found?.session).toEqual({ gatewayId: 'gw-a', epoch: 1_000, mode: 'live', connectedAtMs: 500 });
      expect(Math.abs((found?.lastSeenMs ?? 0) - Date.now())).toBeLessThan(5_000);
    });

    it('get rising epochs, whatever the hint', async () => {
      const epochs: number[] = [];
      for (const [n, epochHint] of [1_000, 1_000, 5, 9_000, 1].entries()) {
        epochs.push(await harness.registered(n % 2 === 0 ? 'gw-a' : 'gw-b', { epochHint, connectedAtMs: n }));
      }
      expect(epochs).toEqual([1_000, 1_001, 1_002, 9_000, 9_001]);
    });

    it('hold epochs as large as the clock in milliseconds exactly', async () => {
      const epochHint = 1_795_555_555_123;
      expect(await harness.registered('gw-a', { epochHint })).toBe(epochHint);
      expect(await harness.registered('gw-b', { connectedAtMs: 1 })).toBe(epochHint + 1);
    });

    it('name the former holder', async () => {
      const epoch = await harness.registered('gw-a');
      const result = await harness.register('gw-b', { connectedAtMs: 600 });
      expect(result).toEqual({ kind: 'registered', epoch: epoch + 1, previous: { gatewayId: 'gw-a', epoch } });
      expect((await harness.presence())?.session?.gatewayId).toBe('gw-b');
    });

    it('that are repeated after a lost answer change nothing', async () => {
      const epoch = await harness.registered('gw-a');
      for (let i = 0; i < 10; i++) expect(await harness.register('gw-a')).toEqual({ kind: 'registered', epoch });
    });

    it('of many agents are answered in order, each by itself', async () => {
      await harness.registered('gw-a', { agentId: 'agent-7' });
      const items = Array.from({ length: 300 }, (_, n) =>
        registration({ agentId: `agent-${n}`, instance: OTHER_INSTANCE, epochHint: 10_000 + n }),
      );
      const results = await harness.registry.register('gw-b', items);
      const kinds = results.map((result) => (result.kind === 'registered' ? result.epoch : result.kind));
      expect(kinds).toEqual(items.map(({ epochHint }, n) => (n === 7 ? 'duplicate' : epochHint)));
    });

    it('of an empty batch return an empty result', async () => {
      expect(await harness.registry.register('gw-a', [])).toEqual([]);
      expect(await harness.registry.unregister([])).toEqual({ kind: 'unregistered', count: 0 });
      expect(await harness.registry.resync('gw-a', [])).toEqual([]);
    });
  });

  describe('unregistering', () => {
    it('ends the session and notes when the agent was last seen', async () => {
      const epoch = await harness.registered('gw-a');
      expect(await harness.unregister(epoch)).toBe(1);
      const found = await harness.presence();
      expect(found?.session).toBeUndefined();
      expect(Math.abs((found?.lastSeenMs ?? 0) - Date.now())).toBeLessThan(5_000);
    });

    it('with an older epoch is ignored, and so is a second one', async () => {
      const old = await harness.registered('gw-a');
      const epoch = await harness.registered('gw-b', { connectedAtMs: 600 });
      expect(await harness.unregister(old)).toBe(0);
      expect((await harness.presence())?.session).toMatchObject({ gatewayId: 'gw-b', epoch });
      expect(await harness.unregister(epoch)).toBe(1);
      expect(await harness.unregister(epoch)).toBe(0);
    });
  });
}
