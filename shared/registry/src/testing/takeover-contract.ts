import { describe, expect, it } from '@jest/globals';
import { INSTANCE, LEASE_MS, OTHER_INSTANCE, registration, type RegistryHarness } from './registry-harness.js';

/** Who gets an agent that is held already: clones of one identity, and agents that change gateways too often. */
export function takeoverContract(harness: RegistryHarness): void {
  describe('a second machine with the same identity', () => {
    const clone = { instance: OTHER_INSTANCE, connectedAtMs: 600 };

    it.each(['gw-a', 'gw-b'])('is refused while the holder on gw-a is valid, at %s too', async (gatewayId) => {
      const epoch = await harness.registered('gw-a');
      const holder = { gatewayId: 'gw-a', epoch, instance: INSTANCE };
      expect(await harness.register(gatewayId, clone)).toEqual({ kind: 'duplicate', reason: 'instance', holder });
      expect((await harness.presence())?.session?.epoch).toBe(epoch);
    });

    it('is refused even if the holder came to a gateway that started a moment ago', async () => {
      await harness.registered('gw-a', { agentId: 'someone-else' });
      const other = await harness.openAnother();
      await harness.renew('gw-new', LEASE_MS, other);
      await other.register('gw-new', [registration()]);
      expect(await harness.register('gw-a', clone)).toMatchObject({ kind: 'duplicate', reason: 'instance' });
    });

    it('is let in when the holder was unregistered', async () => {
      const epoch = await harness.registered('gw-a');
      await harness.unregister(epoch);
      expect(await harness.register('gw-b', clone)).toEqual({ kind: 'registered', epoch: epoch + 1 });
    });

    it('is let in as soon as the lease of the holder has ended', async () => {
      await harness.registered('gw-a');
      expect(await harness.register('gw-b', clone)).toMatchObject({ kind: 'duplicate' });
      const other = await harness.openAnother();
      await other.lease.drop('gw-a');
      expect(await harness.register('gw-b', clone)).toMatchObject({
        kind: 'registered',
        previous: { gatewayId: 'gw-a' },
      });
    });
  });

  describe('an agent that changes gateways', () => {
    it('is refused after five supersedes within the window, and let in again when it has passed', async () => {
      const fast = await harness.openAnother({ flapLimit: { supersedes: 5, withinMs: 700 } });
      const results: string[] = [];
      for (let n = 0; n < 8; n++) {
        const [result] = await fast.register(n % 2 === 0 ? 'gw-a' : 'gw-b', [registration({ connectedAtMs: n })]);
        results.push(result?.kind === 'duplicate' ? result.reason : (result?.kind ?? ''));
      }
      expect(results).toEqual([...Array<string>(6).fill('registered'), 'flapping', 'flapping']);
      let again = '';
      for (let n = 10; again !== 'registered' && n < 200; n++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        again = (await fast.register('gw-a', [registration({ connectedAtMs: n })]))[0]?.kind ?? '';
      }
      expect(again).toBe('registered');
    });

    it('or reconnects to the same one is counted alike', async () => {
      const kinds: string[] = [];
      for (let n = 0; n < 7; n++) kinds.push((await harness.register('gw-a', { connectedAtMs: n })).kind);
      expect(kinds).toEqual([...Array<string>(6).fill('registered'), 'duplicate']);
    });

    it('and names the epoch that it replaces may do so without a limit, and is still fenced', async () => {
      let replaces = await harness.registered('gw-a', { connectedAtMs: 0 });
      for (let n = 1; n < 12; n++) {
        const epoch = await harness.registered(n % 2 === 0 ? 'gw-a' : 'gw-b', { connectedAtMs: n, replaces });
        expect(epoch).toBeGreaterThan(replaces);
        replaces = epoch;
      }
    });

    it('and names another epoch than the current one is counted', async () => {
      const kinds: string[] = [];
      for (let n = 0; n < 7; n++) kinds.push((await harness.register('gw-a', { connectedAtMs: n, replaces: 7 })).kind);
      expect(kinds).toEqual([...Array<string>(6).fill('registered'), 'duplicate']);
    });

    it('and is unregistered first may do so without a limit', async () => {
      for (let n = 0; n < 12; n++) {
        const epoch = await harness.registered(n % 2 === 0 ? 'gw-a' : 'gw-b', { connectedAtMs: n });
        await harness.unregister(epoch);
      }
    });
  });
}
