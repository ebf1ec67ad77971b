import { expect, test } from '@jest/globals';
import type { Endpoint } from '@muster/directory';
import type { AgentId, GatewayId, OrgId, SessionMode } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import { FakeClock } from '@muster/runtime/testing';
import { MemoryRegistry } from '@muster/testkit';
import { RecentPresence } from '../liveness/recent-presence.js';
import { findLost, type LostEndpoints } from './find-lost.js';

const ORG = 'acme' as OrgId;
const LEASE_MS = 15_000;
const SENT_MS = 77;

const only = (...nums: number[]): LostEndpoints => ({ nums, isComplete: true });

function setUp() {
  const clock = new FakeClock();
  const registry = new MemoryRegistry({ clock });
  const endpoints: Endpoint[] = [];
  /** Whom gateways said that they hold, in their heartbeats. Others are known, and have not said it. */
  const held = new Map<string, ReadonlyMap<number, SessionMode>>();
  /** Of these nothing was heard since the query was sent. */
  const silent = new Set<string>();
  const gateways = { ids: ['gw-a', 'gw-speaks'] as GatewayId[], isComplete: true };
  const renew = (gatewayId: string) =>
    registry.lease.renew({ gatewayId, ttlMs: LEASE_MS, info: { sessions: 1, draining: false, startedAtMs: 0 } });
  /** An enrolled endpoint, with a session at the gateway if one is named. */
  const endpoint = async (num: number, at?: string, change: Partial<Endpoint> = {}) => {
    const agentId = `agent-${num}` as AgentId;
    endpoints.push({ agentId, org: ORG, num, facts: { os: 'linux' }, labels: {}, ...change } as Endpoint);
    if (at === undefined) return;
    const session = { org: ORG, agentId, num, instance: 'one', mode: 'live', connectedAtMs: num } as const;
    await registry.register(at, [{ ...session, epochHint: 1 }]);
  };
  const knows = (id: string, atMs: number) => atMs === SENT_MS && held.has(id) && !silent.has(id);
  const find = (change: { scope?: string; registry?: Pick<Registry, 'lookup'>; createdAtMs?: number } = {}) => {
    const { scope = '', createdAtMs = clock.now(), registry: asked = registry } = change;
    const presence = new RecentPresence({ registry: asked, clock });
    return findLost(
      {
        directory: { endpoints: () => endpoints, byNum: (wanted) => endpoints.find(({ num }) => num === wanted) },
        held: { heldBy: (id) => held.get(id) ?? new Map<number, SessionMode>(), knows },
        ...{ gateways: () => gateways, presence, clock },
      },
      { org: ORG, scope, createdAtMs },
      { sentMs: SENT_MS, has: (num) => num === 1, speaks: (gateway) => gateway === 'gw-speaks' },
    ).finally(() => presence.stop());
  };
  return { clock, registry, renew, endpoint, find, held, silent, gateways };
}

test('whom a gateway held when it was last heard is known without the registry', async () => {
  const { registry, endpoint, find, held, gateways } = setUp();
  for (const num of [1, 2, 3, 5]) await endpoint(num);
  await endpoint(4, undefined, { revoked: {} as never });
  await endpoint(7, undefined, { org: 'globex' as OrgId });
  registry.store.available = false;
  held.set('gw-a', new Map<number, SessionMode>([1, 2, 4, 6, 7].map((num) => [num, 'live' as const])).set(5, 'poll'));
  held.set('gw-speaks', new Map([[3, 'live' as const]]));
  expect(await find()).toEqual(only(2, 5));
  expect(await find({ scope: 'mode=poll' })).toEqual(only(5));
  // Of a gateway that is heard no more, and one that this process may not have heard of, the registry knows.
  gateways.ids.push('gw-b' as GatewayId);
  expect(await find()).toEqual({ nums: [2, 5], isComplete: false });
  registry.store.available = true;
  expect(await find()).toEqual(only(2, 5));
  await endpoint(8, 'gw-b');
  expect(await find()).toEqual(only(2, 5, 8));
  gateways.ids.pop();
  gateways.isComplete = false;
  expect(await find()).toEqual(only(2, 5, 8));
});

test('who came to a gateway after its last heartbeat is lost with it: the registry knows them', async () => {
  const { registry, endpoint, find, held, silent } = setUp();
  await endpoint(2);
  await endpoint(3, 'gw-a');
  await endpoint(4, 'gw-a', { labels: { env: 'prod' } });
  await endpoint(5, 'gw-speaks');
  await endpoint(6);
  held.set('gw-a', new Map([[2, 'live' as const]]));
  silent.add('gw-a');
  expect(await find()).toEqual(only(2, 3, 4));
  expect(await find({ scope: 'env=prod' })).toEqual(only(4));
  // Whom it held is told all the same, and that there may be others.
  registry.store.available = false;
  expect(await find()).toEqual({ nums: [2], isComplete: false });
  // It was heard since: nobody needs the registry.
  silent.clear();
  expect(await find()).toEqual(only(2));
});

test('who was held by a gateway that does not speak is lost, while its lease holds and for two minutes after', async () => {
  const { clock, renew, endpoint, find } = setUp();
  await renew('gw-a');
  await renew('gw-speaks');
  await endpoint(1, 'gw-a');
  await endpoint(2, 'gw-a');
  await endpoint(3, 'gw-speaks');
  await endpoint(4);
  await endpoint(5, 'gw-a', { revoked: {} as never });
  expect(await find()).toEqual(only(2));
  clock.advance(LEASE_MS + 1);
  expect(await find()).toEqual(only(2));
  const createdAtMs = clock.now();
  clock.advance(120_000);
  expect(await find()).toEqual(only());
  // Two minutes before the query began, however long it ran.
  expect(await find({ createdAtMs })).toEqual(only(2));
});

test('who has said goodbye, or is elsewhere since, is not lost', async () => {
  const { clock, registry, renew, endpoint, find } = setUp();
  await renew('gw-a');
  await endpoint(2, 'gw-a');
  await endpoint(3, 'gw-a');
  clock.advance(LEASE_MS + 1);
  registry.release('agent-2');
  await renew('gw-speaks');
  const moved = { org: ORG, agentId: 'agent-3', num: 3, instance: 'one', mode: 'live', connectedAtMs: 9 } as const;
  await registry.register('gw-speaks', [{ ...moved, epochHint: 1 }]);
  expect(await find()).toEqual(only());
});

test('only endpoints in scope are looked up, by their labels and by the mode that they had', async () => {
  const { registry, renew, endpoint, find } = setUp();
  await renew('gw-a');
  await endpoint(2, 'gw-a', { labels: { env: 'prod' } });
  await endpoint(3, 'gw-a');
  expect(await find({ scope: 'env=prod' })).toEqual(only(2));
  expect(await find({ scope: 'mode=live' })).toEqual(only(2, 3));
  expect(await find({ scope: 'mode=poll' })).toEqual(only());
  registry.lookups = 0;
  expect(await find({ scope: 'env=test' })).toEqual(only());
  expect(registry.lookups).toBe(0);
});

test('nobody knows when the registry is away, or hangs', async () => {
  const { clock, registry, endpoint, find } = setUp();
  await endpoint(2, 'gw-a');
  registry.store.available = false;
  expect(await find()).toEqual({ nums: [], isComplete: false });
  const hanging = find({ registry: { lookup: () => new Promise(() => undefined) } });
  await clock.advanceAsync(1_000);
  expect(await hanging).toEqual({ nums: [], isComplete: false });
  expect(clock.pendingTimers).toBe(0);
});
