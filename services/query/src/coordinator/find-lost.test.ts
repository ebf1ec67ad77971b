import { expect, test } from '@jest/globals';
import type { Endpoint } from '@muster/directory';
import type { AgentId, OrgId } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import { FakeClock } from '@muster/runtime/testing';
import { MemoryRegistry } from '@muster/testkit';
import { findLost } from './find-lost.js';

const ORG = 'acme' as OrgId;
const LEASE_MS = 15_000;

function setUp() {
  const clock = new FakeClock();
  const registry = new MemoryRegistry({ clock });
  const endpoints: Endpoint[] = [];
  const renew = (gatewayId: string) =>
    registry.lease.renew({ gatewayId, ttlMs: LEASE_MS, info: { sessions: 1, draining: false, startedAtMs: 0 } });
  /** An enrolled endpoint, with a session at the gateway if one is named. */
  const endpoint = async (num: number, at?: string, change: Partial<Endpoint> = {}) => {
    const agentId = `agent-${num}` as AgentId;
    endpoints.push({ agentId, num, facts: { os: 'linux' }, labels: {}, ...change } as Endpoint);
    if (at === undefined) return;
    const session = { org: ORG, agentId, num, instance: 'one', mode: 'live', connectedAtMs: num } as const;
    await registry.register(at, [{ ...session, epochHint: 1 }]);
  };
  const find = (change: { scope?: string; registry?: Pick<Registry, 'lookup'>; createdAtMs?: number } = {}) => {
    const { scope = '', createdAtMs = clock.now(), ...deps } = change;
    return findLost(
      { directory: { endpoints: () => endpoints }, registry, clock, ...deps },
      { org: ORG, scope, createdAtMs },
      { has: (num) => num === 1, speaks: (gateway) => gateway === 'gw-speaks' },
    );
  };
  return { clock, registry, renew, endpoint, find };
}

test('who was held by a gateway that does not speak is lost, while its lease holds and for two minutes after', async () => {
  const { clock, renew, endpoint, find } = setUp();
  await renew('gw-a');
  await renew('gw-speaks');
  await endpoint(1, 'gw-a');
  await endpoint(2, 'gw-a');
  await endpoint(3, 'gw-speaks');
  await endpoint(4);
  await endpoint(5, 'gw-a', { revoked: {} as never });
  expect(await find()).toEqual([2]);
  clock.advance(LEASE_MS + 1);
  expect(await find()).toEqual([2]);
  const createdAtMs = clock.now();
  clock.advance(120_000);
  expect(await find()).toEqual([]);
  // Two minutes before the query began, however long it ran.
  expect(await find({ createdAtMs })).toEqual([2]);
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
  expect(await find()).toEqual([]);
});

test('only endpoints in scope are looked up, by their labels and by the mode that they had', async () => {
  const { registry, renew, endpoint, find } = setUp();
  await renew('gw-a');
  await endpoint(2, 'gw-a', { labels: { env: 'prod' } });
  await endpoint(3, 'gw-a');
  expect(await find({ scope: 'env=prod' })).toEqual([2]);
  expect(await find({ scope: 'mode=live' })).toEqual([2, 3]);
  expect(await find({ scope: 'mode=poll' })).toEqual([]);
  registry.lookups = 0;
  expect(await find({ scope: 'env=test' })).toEqual([]);
  expect(registry.lookups).toBe(0);
});

test('nobody knows when the registry is away, or hangs', async () => {
  const { clock, registry, endpoint, find } = setUp();
  await endpoint(2, 'gw-a');
  registry.store.available = false;
  expect(await find()).toBeUndefined();
  const hanging = find({ registry: { lookup: () => new Promise(() => undefined) } });
  await clock.advanceAsync(1_000);
  expect(await hanging).toBeUndefined();
  expect(clock.pendingTimers).toBe(0);
});
