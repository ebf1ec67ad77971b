import { describe, expect, it } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { INFO, LEASE_MS, heldSession, type RegistryHarness } from './registry-harness.js';

/** An entry counts only while the lease of its gateway does. */
export function leaseContract(harness: RegistryHarness): void {
  describe('leases', () => {
    it('make gateways known, with their info', async () => {
      await harness.registry.lease.renew({
        gatewayId: 'gw-a',
        ttlMs: LEASE_MS,
        info: { ...INFO, sessions: 7, draining: true },
      });
      const result = await harness.registry.gateways();
      if (result.kind !== 'gateways') throw new Error('unavailable');
      const gateways = result.gateways.toSorted((a, b) => a.gatewayId.localeCompare(b.gatewayId));
      expect(gateways).toMatchObject([
        { gatewayId: 'gw-a', sessions: 7, draining: true, startedAtMs: INFO.startedAtMs },
        { gatewayId: 'gw-b', sessions: 0, draining: false },
      ]);
      for (const { remainingMs } of gateways) expect(remainingMs).toBeGreaterThan(LEASE_MS / 2);
    });

    it('that end invalidate their sessions, and keep when these were last seen', async () => {
      await harness.registered('gw-a');
      await harness.renew('gw-a', 30);
      await eventually(async () => (await harness.presence())?.session === undefined);
      expect(Math.abs(((await harness.presence())?.lastSeenMs ?? 0) - Date.now())).toBeLessThan(5_000);
    });

    it('that have ended hold again when they are renewed, and the gateway hears it', async () => {
      const epoch = await harness.registered('gw-a');
      await harness.renew('gw-a', 30);
      await eventually(async () => (await harness.presence())?.session === undefined);
      expect((await harness.presence())?.lapsed).toMatchObject({ gatewayId: 'gw-a', epoch });
      expect(await harness.renew('gw-a')).toEqual({ kind: 'lapsed' });
      expect(await harness.renew('gw-a')).toEqual({ kind: 'renewed' });
      expect(await harness.presence()).toMatchObject({ session: { gatewayId: 'gw-a', epoch } });
    });

    it('that were dropped stay dropped', async () => {
      await harness.registry.lease.drop('gw-b');
      expect(await harness.renew('gw-b')).toEqual({ kind: 'dropped' });
    });

    it('that have ended are told from those that were dropped, for as long as somebody asks', async () => {
      const lapsed = async (withinMs: number) => {
        const result = await harness.registry.lease.lapsed(withinMs);
        return result.kind === 'gateways' ? result.gateways.map(({ gatewayId }) => gatewayId) : result.kind;
      };
      expect(await lapsed(60_000)).toEqual([]);
      await harness.renew('gw-a', 30);
      await harness.registry.lease.drop('gw-b');
      await eventually(async () => (await lapsed(60_000)).includes('gw-a'));
      expect(await lapsed(60_000)).toEqual(['gw-a']);
      await eventually(async () => (await lapsed(10)).length === 0);
      await harness.renew('gw-a');
      expect(await lapsed(60_000)).toEqual([]);
    });

    it('under a new id after a fence get back the sessions that did not move', async () => {
      const kept = await harness.registered('gw-a', { agentId: 'stayed' });
      const lost = await harness.registered('gw-a', { agentId: 'moved' });
      await harness.registry.lease.drop('gw-a');
      const newer = await harness.registered('gw-b', { agentId: 'moved', connectedAtMs: 600 });
      await harness.live('gw-a2');
      const held = [heldSession({ agentId: 'stayed', epoch: kept }), heldSession({ agentId: 'moved', epoch: lost })];
      expect(await harness.registry.resync('gw-a2', held)).toEqual([
        { kind: 'kept' },
        { kind: 'lost', holder: { gatewayId: 'gw-b', epoch: newer } },
      ]);
      expect((await harness.presence('stayed'))?.session).toMatchObject({ gatewayId: 'gw-a2', epoch: kept });
    });
  });

  describe('lookups', () => {
    it('leave out unknown agents', async () => {
      await harness.registered('gw-a');
      const result = await harness.registry.lookup(['agent-1', 'agent-2']);
      expect(result.kind === 'found' && [...result.agents.keys()]).toEqual(['agent-1']);
    });

    it('count only under a valid lease, also of a gateway that started a moment ago', async () => {
      await harness.registered('gw-none');
      expect((await harness.presence())?.session).toBeUndefined();
      const other = await harness.openAnother();
      await harness.renew('gw-none', LEASE_MS, other);
      expect((await harness.presence())?.session).toMatchObject({ gatewayId: 'gw-none' });
    });
  });
}
