import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { FlapLimit } from './redis-registrations.js';
import type { RegistrationItem, RegistrationResult, ResyncItem, Registry, ScanEntry } from './registry.js';

/** A store that a contract suite may open registries on, empty, break and mend. */
export interface RegistryFixture {
  open(options?: { readonly flapLimit?: FlapLimit }): Promise<Registry>;
  /** All data is lost. */
  empty(): Promise<void>;
  /** The store dies at once. */
  interrupt(): Promise<void>;
  /** It is back, empty or not. */
  restore(): Promise<void>;
  stop(): Promise<void>;
}

const TTL_MS = 10_000;
const INSTANCE = 'aa'.repeat(16);
const OTHER_INSTANCE = 'bb'.repeat(16);
const INFO = { sessions: 0, draining: false, startedAtMs: 1_700_000_000_000 };

/** What every {@link Registry} promises; run it against each implementation. */
export function registryContract(title: string, makeFixture: () => Promise<RegistryFixture>): void {
  describe(`${title} keeps the registry contract:`, () => {
    let fixture: RegistryFixture;
    let registry: Registry;
    const extra: Registry[] = [];

    beforeAll(async () => {
      fixture = await makeFixture();
    }, 60_000);
    afterAll(() => fixture.stop());
    beforeEach(async () => {
      await fixture.empty();
      registry = await fixture.open();
      await live('gw-a', 'gw-b');
    });
    afterEach(async () => {
      for (const opened of [registry, ...extra.splice(0)]) await opened.stop();
    });

    async function live(...gatewayIds: string[]): Promise<void> {
      for (const gatewayId of gatewayIds) {
        expect(await registry.lease.renew({ gatewayId, ttlMs: TTL_MS, info: INFO })).toEqual({ kind: 'renewed' });
      }
    }

    async function register(gatewayId: string, more: Partial<RegistrationItem> = {}): Promise<RegistrationResult> {
      const [result] = await registry.register(gatewayId, [item(more)]);
      if (result === undefined) throw new Error('no result');
      return result;
    }

    async function claimed(gatewayId: string, more: Partial<RegistrationItem> = {}): Promise<number> {
      const result = await register(gatewayId, more);
      expect(result.kind).toBe('claimed');
      return result.kind === 'claimed' ? result.epoch : 0;
    }

    async function presence(agentId = 'agent-1') {
      const result = await registry.lookup([agentId]);
      if (result.kind !== 'found') throw new Error('unavailable');
      return result.agents.get(agentId);
    }

    describe('claims', () => {
      it('of an agent that nobody holds get the hint as epoch, and can be looked up', async () => {
        expect(await register('gw-a')).toEqual({ kind: 'claimed', epoch: 1_000 });
        const found = await presence();
        expect(found?.session).toEqual({ gatewayId: 'gw-a', epoch: 1_000, mode: 'live', connectedAtMs: 500 });
        expect(Math.abs((found?.lastSeenMs ?? 0) - Date.now())).toBeLessThan(5_000);
      });

      it('get rising epochs, whatever the hint', async () => {
        const epochs: number[] = [];
        for (const [n, epochHint] of [1_000, 1_000, 5, 9_000, 1].entries()) {
          epochs.push(await claimed(n % 2 === 0 ? 'gw-a' : 'gw-b', { epochHint, connectedAtMs: n }));
        }
        expect(epochs).toEqual([1_000, 1_001, 1_002, 9_000, 9_001]);
      });

      it('hold epochs as large as the clock in milliseconds exactly', async () => {
        const epochHint = 1_795_555_555_123;
        expect(await claimed('gw-a', { epochHint })).toBe(epochHint);
        expect(await claimed('gw-b', { connectedAtMs: 1 })).toBe(epochHint + 1);
      });

      it('name the former holder', async () => {
        const epoch = await claimed('gw-a');
        const result = await register('gw-b', { connectedAtMs: 600 });
        expect(result).toEqual({ kind: 'claimed', epoch: epoch + 1, previous: { gatewayId: 'gw-a', epoch } });
        expect((await presence())?.session?.gatewayId).toBe('gw-b');
      });

      it('that are repeated, because the answer was lost, change nothing', async () => {
        const epoch = await claimed('gw-a');
        for (let i = 0; i < 10; i++) expect(await register('gw-a')).toEqual({ kind: 'claimed', epoch });
      });

      it('of many agents are answered in order, each by itself', async () => {
        await claimed('gw-a', { agentId: 'agent-7' });
        const items = Array.from({ length: 300 }, (_, n) =>
          item({ agentId: `agent-${n}`, instance: OTHER_INSTANCE, epochHint: 10_000 + n }),
        );
        const results = await registry.register('gw-b', items);
        const kinds = results.map((result) => (result.kind === 'claimed' ? result.epoch : result.kind));
        expect(kinds).toEqual(items.map(({ epochHint }, n) => (n === 7 ? 'duplicate' : epochHint)));
      });

      it('of nothing are nothing', async () => {
        expect(await registry.register('gw-a', [])).toEqual([]);
        expect(await registry.unregister([])).toEqual({ kind: 'released', count: 0 });
        expect(await registry.resync('gw-a', [])).toEqual([]);
      });
    });

    describe('a second machine with the same identity', () => {
      const clone = { instance: OTHER_INSTANCE, connectedAtMs: 600 };

      it.each(['gw-a', 'gw-b'])('is refused while the holder on gw-a is valid, at %s too', async (gatewayId) => {
        const epoch = await claimed('gw-a');
        const holder = { gatewayId: 'gw-a', epoch, instance: INSTANCE };
        expect(await register(gatewayId, clone)).toEqual({ kind: 'duplicate', reason: 'instance', holder });
        expect((await presence())?.session?.epoch).toBe(epoch);
      });

      it('is refused even if the holder came to a gateway that started a moment ago', async () => {
        await claimed('gw-a', { agentId: 'someone-else' });
        const other = await openAnother();
        await other.lease.renew({ gatewayId: 'gw-new', ttlMs: TTL_MS, info: INFO });
        await other.register('gw-new', [item()]);
        expect(await register('gw-a', clone)).toMatchObject({ kind: 'duplicate', reason: 'instance' });
      });

      it('is let in when the holder was released', async () => {
        const epoch = await claimed('gw-a');
        await registry.unregister([{ agentId: 'agent-1', epoch }]);
        expect(await register('gw-b', clone)).toEqual({ kind: 'claimed', epoch: epoch + 1 });
      });

      it('is let in as soon as the lease of the holder has ended', async () => {
        await claimed('gw-a');
        expect(await register('gw-b', clone)).toMatchObject({ kind: 'duplicate' });
        const other = await openAnother();
        await other.lease.drop('gw-a');
        expect(await register('gw-b', clone)).toMatchObject({ kind: 'claimed', previous: { gatewayId: 'gw-a' } });
      });
    });

    describe('an agent that changes hands', () => {
      it('is refused after five supersedes within the window, and let in again when it has passed', async () => {
        const fast = await fixture.open({ flapLimit: { supersedes: 5, withinMs: 700 } });
        extra.push(fast);
        const results: string[] = [];
        for (let n = 0; n < 8; n++) {
          const [result] = await fast.register(n % 2 === 0 ? 'gw-a' : 'gw-b', [item({ connectedAtMs: n })]);
          results.push(result?.kind === 'duplicate' ? result.reason : (result?.kind ?? ''));
        }
        expect(results).toEqual([...Array<string>(6).fill('claimed'), 'flapping', 'flapping']);
        let again = '';
        for (let n = 10; again !== 'claimed' && n < 200; n++) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          again = (await fast.register('gw-a', [item({ connectedAtMs: n })]))[0]?.kind ?? '';
        }
        expect(again).toBe('claimed');
      });

      it('on one gateway is counted like between two', async () => {
        const kinds: string[] = [];
        for (let n = 0; n < 7; n++) kinds.push((await register('gw-a', { connectedAtMs: n })).kind);
        expect(kinds).toEqual([...Array<string>(6).fill('claimed'), 'duplicate']);
      });

      it('that names the epoch it replaces may do so as often as it likes, and is still fenced', async () => {
        let replaces = await claimed('gw-a', { connectedAtMs: 0 });
        for (let n = 1; n < 12; n++) {
          const epoch = await claimed(n % 2 === 0 ? 'gw-a' : 'gw-b', { connectedAtMs: n, replaces });
          expect(epoch).toBeGreaterThan(replaces);
          replaces = epoch;
        }
      });

      it('that names another epoch than the current one is counted', async () => {
        const kinds: string[] = [];
        for (let n = 0; n < 7; n++) kinds.push((await register('gw-a', { connectedAtMs: n, replaces: 7 })).kind);
        expect(kinds).toEqual([...Array<string>(6).fill('claimed'), 'duplicate']);
      });

      it('in an orderly way may do so as often as it likes', async () => {
        for (let n = 0; n < 12; n++) {
          const epoch = await claimed(n % 2 === 0 ? 'gw-a' : 'gw-b', { connectedAtMs: n });
          await registry.unregister([{ agentId: 'agent-1', epoch }]);
        }
      });
    });

    describe('a release', () => {
      it('ends the session and notes when the agent was last seen', async () => {
        const epoch = await claimed('gw-a');
        expect(await registry.unregister([{ agentId: 'agent-1', epoch }])).toEqual({ kind: 'released', count: 1 });
        const found = await presence();
        expect(found?.session).toBeUndefined();
        expect(Math.abs((found?.lastSeenMs ?? 0) - Date.now())).toBeLessThan(5_000);
      });

      it('by an older epoch is ignored, and so is a second one', async () => {
        const old = await claimed('gw-a');
        const epoch = await claimed('gw-b', { connectedAtMs: 600 });
        expect(await registry.unregister([{ agentId: 'agent-1', epoch: old }])).toEqual({ kind: 'released', count: 0 });
        expect((await presence())?.session).toMatchObject({ gatewayId: 'gw-b', epoch });
        expect(await registry.unregister([{ agentId: 'agent-1', epoch }])).toEqual({ kind: 'released', count: 1 });
        expect(await registry.unregister([{ agentId: 'agent-1', epoch }])).toEqual({ kind: 'released', count: 0 });
      });
    });

    describe('leases', () => {
      it('make the gateways known, with what they say of themselves', async () => {
        await registry.lease.renew({
          gatewayId: 'gw-a',
          ttlMs: TTL_MS,
          info: { ...INFO, sessions: 7, draining: true },
        });
        const result = await registry.gateways();
        if (result.kind !== 'gateways') throw new Error('unavailable');
        const gateways = result.gateways.toSorted((a, b) => a.gatewayId.localeCompare(b.gatewayId));
        expect(gateways).toMatchObject([
          { gatewayId: 'gw-a', sessions: 7, draining: true, startedAtMs: INFO.startedAtMs },
          { gatewayId: 'gw-b', sessions: 0, draining: false },
        ]);
        for (const { remainingMs } of gateways) expect(remainingMs).toBeGreaterThan(TTL_MS / 2);
      });

      it('that end take their sessions with them, and tell when these were last seen', async () => {
        await claimed('gw-a');
        await registry.lease.renew({ gatewayId: 'gw-a', ttlMs: 30, info: INFO });
        await expectEventually(async () => (await presence())?.session === undefined);
        expect(Math.abs(((await presence())?.lastSeenMs ?? 0) - Date.now())).toBeLessThan(5_000);
      });

      it('that have ended cannot be renewed: the gateway is fenced', async () => {
        await registry.lease.renew({ gatewayId: 'gw-a', ttlMs: 30, info: INFO });
        await expectEventually(async () => {
          const result = await registry.gateways();
          return result.kind === 'gateways' && result.gateways.every(({ gatewayId }) => gatewayId !== 'gw-a');
        });
        const again = await registry.lease.renew({ gatewayId: 'gw-a', ttlMs: TTL_MS, info: INFO });
        expect(again).toEqual({ kind: 'lapsed' });
        await registry.lease.drop('gw-b');
        expect(await registry.lease.renew({ gatewayId: 'gw-b', ttlMs: TTL_MS, info: INFO })).toEqual({
          kind: 'lapsed',
        });
      });

      it('taken under a new id after a fence get back what nobody else has taken', async () => {
        const kept = await claimed('gw-a', { agentId: 'stayed' });
        const lost = await claimed('gw-a', { agentId: 'moved' });
        await registry.lease.drop('gw-a');
        const newer = await claimed('gw-b', { agentId: 'moved', connectedAtMs: 600 });
        await live('gw-a2');
        const held = [session({ agentId: 'stayed', epoch: kept }), session({ agentId: 'moved', epoch: lost })];
        expect(await registry.resync('gw-a2', held)).toEqual([
          { kind: 'kept' },
          { kind: 'lost', holder: { gatewayId: 'gw-b', epoch: newer } },
        ]);
        expect((await presence('stayed'))?.session).toMatchObject({ gatewayId: 'gw-a2', epoch: kept });
      });
    });

    describe('lookups', () => {
      it('leave out agents never heard of', async () => {
        await claimed('gw-a');
        const result = await registry.lookup(['agent-1', 'agent-2']);
        expect(result.kind === 'found' && [...result.agents.keys()]).toEqual(['agent-1']);
      });

      it('count only under a valid lease, also of a gateway that started a moment ago', async () => {
        await claimed('gw-none');
        expect((await presence())?.session).toBeUndefined();
        const other = await openAnother();
        await other.lease.renew({ gatewayId: 'gw-none', ttlMs: TTL_MS, info: INFO });
        expect((await presence())?.session).toMatchObject({ gatewayId: 'gw-none' });
      });
    });

    it('a scan gives all held agents of one org', async () => {
      const agents = (org: string, count: number) =>
        Array.from({ length: count }, (_, n) => item({ org, num: n, agentId: `${org}-${n}`, mode: 'poll' }));
      await registry.register('gw-a', agents('acme', 700));
      await registry.register('gw-b', agents('other', 50));
      await registry.register('gw-none', [item({ org: 'acme', agentId: 'unheld' })]);
      await registry.unregister([{ agentId: 'acme-3', epoch: 1_000 }]);
      const found: ScanEntry[] = [];
      for await (const page of registry.scan('acme')) {
        if (page.kind === 'page') found.push(...page.entries);
      }
      expect(new Set(found.map((entry) => entry.agentId)).size).toBe(699);
      expect(found.find((entry) => entry.agentId === 'acme-5')).toEqual({
        ...{ agentId: 'acme-5', num: 5, gatewayId: 'gw-a', epoch: 1_000, mode: 'poll', connectedAtMs: 500 },
      });
    });

    describe('after all data was lost', () => {
      it('the generation is another, and the same for everybody', async () => {
        const other = await openAnother();
        const before = await registry.generation();
        expect(before.kind).toBe('generation');
        expect(await other.generation()).toEqual(before);
        await fixture.empty();
        const [after, afterOther] = await Promise.all([registry.generation(), other.generation()]);
        expect(after.kind).toBe('generation');
        expect(after).not.toEqual(before);
        expect(afterOther).toEqual(after);
      });

      it('gateways put back what they hold, and epochs go on rising', async () => {
        const epoch = await claimed('gw-a', { epochHint: 50_000 });
        await fixture.empty();
        expect(await presence()).toBeUndefined();
        await live('gw-a');
        expect(await registry.resync('gw-a', [session({ epoch })])).toEqual([{ kind: 'kept' }]);
        expect((await presence())?.session).toMatchObject({ gatewayId: 'gw-a', epoch });
        expect(await claimed('gw-b', { connectedAtMs: 600 })).toBe(epoch + 1);
      });

      it('the newer of two sessions stays, whoever comes first', async () => {
        const old = session({ epoch: 2_000, connectedAtMs: 1 });
        const newer = session({ epoch: 3_000, connectedAtMs: 2 });
        await registry.resync('gw-a', [old]);
        expect(await registry.resync('gw-b', [newer])).toEqual([{ kind: 'kept' }]);
        const holder = { gatewayId: 'gw-b', epoch: 3_000 };
        expect(await registry.resync('gw-a', [old])).toEqual([{ kind: 'lost', holder }]);
      });

      it('another session with the same epoch does not take the place', async () => {
        await registry.resync('gw-a', [session({ epoch: 2_000, connectedAtMs: 1 })]);
        const result = await registry.resync('gw-b', [session({ epoch: 2_000, connectedAtMs: 2 })]);
        expect(result).toEqual([{ kind: 'lost', holder: { gatewayId: 'gw-a', epoch: 2_000 } }]);
      });

      it('a released session does not come back to life', async () => {
        const epoch = await claimed('gw-a');
        await registry.unregister([{ agentId: 'agent-1', epoch }]);
        expect(await registry.resync('gw-a', [session({ epoch })])).toEqual([{ kind: 'lost' }]);
      });
    });

    it('15,000 claims, look-ups and releases go through in a moment', async () => {
      const items = Array.from({ length: 15_000 }, (_, n) => item({ agentId: `fleet-${n}`, num: n }));
      const startedAt = performance.now();
      const results = await registry.register('gw-a', items);
      const claimedAt = performance.now();
      expect(results.every((result) => result.kind === 'claimed')).toBe(true);
      const found = await registry.lookup(items.map(({ agentId }) => agentId));
      const foundAt = performance.now();
      expect(found.kind === 'found' && found.agents.size).toBe(15_000);
      const released = await registry.unregister(items.map(({ agentId }) => ({ agentId, epoch: 1_000 })));
      expect(released).toEqual({ kind: 'released', count: 15_000 });
      const spans = [claimedAt - startedAt, foundAt - claimedAt, performance.now() - foundAt].map(Math.round);
      process.stdout.write(
        `${title}: 15,000 claims ${spans[0]} ms, look-ups ${spans[1]} ms, releases ${spans[2]} ms\n`,
      );
      expect(performance.now() - startedAt).toBeLessThan(20_000);
    });

    it('while the store is away every call says so quickly, and works again when it is back', async () => {
      await claimed('gw-a');
      await fixture.interrupt();
      await expectEventually(() => Promise.resolve(!registry.connected));
      const startedAt = performance.now();
      expect((await register('gw-a')).kind).toBe('unavailable');
      expect((await registry.unregister([{ agentId: 'agent-1', epoch: 1 }])).kind).toBe('unavailable');
      expect((await registry.resync('gw-a', [session()]))[0]?.kind).toBe('unavailable');
      expect((await registry.lookup(['agent-1'])).kind).toBe('unavailable');
      expect((await registry.gateways()).kind).toBe('unavailable');
      expect((await registry.generation()).kind).toBe('unavailable');
      expect((await registry.lease.renew({ gatewayId: 'gw-a', ttlMs: TTL_MS, info: INFO })).kind).toBe('unavailable');
      expect((await registry.lease.drop('gw-a')).kind).toBe('unavailable');
      for await (const page of registry.scan('acme')) expect(page.kind).toBe('unavailable');
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      await fixture.restore();
      await expectEventually(async () => (await registry.generation()).kind === 'generation' && registry.connected);
      await live('gw-new');
      expect((await register('gw-new')).kind).toBe('claimed');
    }, 60_000);

    async function openAnother(): Promise<Registry> {
      const opened = await fixture.open();
      extra.push(opened);
      return opened;
    }
  });
}

function item(more: Partial<RegistrationItem> = {}): RegistrationItem {
  return {
    org: 'acme',
    agentId: 'agent-1',
    num: 1,
    instance: INSTANCE,
    mode: 'live',
    epochHint: 1_000,
    connectedAtMs: 500,
    ...more,
  };
}

function session(more: Partial<ResyncItem> = {}): ResyncItem {
  const { epochHint: _, ...held } = item();
  return { ...held, epoch: 1_000, ...more };
}

async function expectEventually(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not happen within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
