import { describe, expect, it } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { heldSession, type RegistryHarness } from './registry-harness.js';

/** After all data was lost, and while the store is away. */
export function dataLossContract(harness: RegistryHarness): void {
  describe('after all data was lost', () => {
    it('the generation changes, and is the same for every client', async () => {
      const other = await harness.openAnother();
      const before = await harness.registry.generation();
      expect(before.kind).toBe('generation');
      expect(await other.generation()).toEqual(before);
      await harness.fixture.empty();
      const [after, afterOther] = await Promise.all([harness.registry.generation(), other.generation()]);
      expect(after.kind).toBe('generation');
      expect(after).not.toEqual(before);
      expect(afterOther).toEqual(after);
    });

    it('gateways register their sessions again, and epochs keep rising', async () => {
      const epoch = await harness.registered('gw-a', { epochHint: 50_000 });
      await harness.fixture.empty();
      expect(await harness.presence()).toBeUndefined();
      await harness.live('gw-a');
      expect(await harness.registry.resync('gw-a', [heldSession({ epoch })])).toEqual([{ kind: 'kept' }]);
      expect((await harness.presence())?.session).toMatchObject({ gatewayId: 'gw-a', epoch });
      expect(await harness.registered('gw-b', { connectedAtMs: 600 })).toBe(epoch + 1);
    });

    it('the newer of two sessions wins, in any order of arrival', async () => {
      const old = heldSession({ epoch: 2_000, connectedAtMs: 1 });
      const newer = heldSession({ epoch: 3_000, connectedAtMs: 2 });
      await harness.registry.resync('gw-a', [old]);
      expect(await harness.registry.resync('gw-b', [newer])).toEqual([{ kind: 'kept' }]);
      const holder = { gatewayId: 'gw-b', epoch: 3_000 };
      expect(await harness.registry.resync('gw-a', [old])).toEqual([{ kind: 'lost', holder }]);
    });

    it('another session with the same epoch is refused', async () => {
      await harness.registry.resync('gw-a', [heldSession({ epoch: 2_000, connectedAtMs: 1 })]);
      const result = await harness.registry.resync('gw-b', [heldSession({ epoch: 2_000, connectedAtMs: 2 })]);
      expect(result).toEqual([{ kind: 'lost', holder: { gatewayId: 'gw-a', epoch: 2_000 } }]);
    });

    it('an unregistered session stays unregistered', async () => {
      const epoch = await harness.registered('gw-a');
      await harness.unregister(epoch);
      expect(await harness.registry.resync('gw-a', [heldSession({ epoch })])).toEqual([{ kind: 'lost' }]);
    });
  });

  it('while the store is away every call is unavailable at once, and works again when it is back', async () => {
    await harness.registered('gw-a');
    await harness.fixture.interrupt();
    await eventually(() => !harness.registry.connected);
    const startedAt = performance.now();
    expect((await harness.register('gw-a')).kind).toBe('unavailable');
    expect((await harness.registry.unregister([{ agentId: 'agent-1', epoch: 1 }])).kind).toBe('unavailable');
    expect((await harness.registry.resync('gw-a', [heldSession()]))[0]?.kind).toBe('unavailable');
    expect((await harness.registry.lookup(['agent-1'])).kind).toBe('unavailable');
    expect((await harness.registry.gateways()).kind).toBe('unavailable');
    expect((await harness.registry.generation()).kind).toBe('unavailable');
    expect((await harness.renew('gw-a')).kind).toBe('unavailable');
    expect((await harness.registry.lease.drop('gw-a')).kind).toBe('unavailable');
    for await (const page of harness.registry.scan('acme')) expect(page.kind).toBe('unavailable');
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await harness.fixture.restore();
    await eventually(
      async () => (await harness.registry.generation()).kind === 'generation' && harness.registry.connected,
      'the store',
      20_000,
    );
    await harness.live('gw-new');
    expect((await harness.register('gw-new')).kind).toBe('registered');
  });
}
