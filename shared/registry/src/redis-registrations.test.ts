import { describe, expect, test } from '@jest/globals';
import { partitionOf } from './partition.js';
import type { LuaScript, RedisConnection } from './redis-connection.js';
import type { LiveGateways, RedisLeases } from './redis-leases.js';
import { RedisRegistrations } from './redis-registrations.js';
import { heldSession, registration } from './testing/registry-harness.js';

type Answer = (keys: readonly string[], args: readonly (string | number)[]) => unknown;

/** Registrations whose Redis gives these answers, one call after the other. */
function setUp(...answers: Answer[]) {
  const calls: { keys: readonly string[]; args: readonly (string | number)[] }[] = [];
  const connection = {
    run: async (_script: LuaScript, keys: readonly string[], args: readonly (string | number)[]) => {
      calls.push({ keys, args });
      const answer = answers[Math.min(calls.length, answers.length) - 1];
      await Promise.resolve();
      return answer?.(keys, args);
    },
  } as unknown as RedisConnection;
  const live = (...ids: string[]) =>
    Promise.resolve({ leases: new Map(ids.map((id) => [id, {}])) } as unknown as LiveGateways);
  const leases = { live: () => live('gw-a'), fresh: () => live('gw-a', 'gw-new') } as unknown as RedisLeases;
  return { registrations: new RedisRegistrations(connection, leases, { supersedes: 5, withinMs: 700 }), calls };
}

const fail: Answer = () => {
  throw new Error('away');
};

describe('a registration', () => {
  test('gives the script the live gateways, the limits, and the agent', async () => {
    const { registrations, calls } = setUp(() => [['registered', '9', '', '']]);
    const item = registration({ agentId: 'x', replaces: 4 });
    expect(await registrations.register('gw-b', [item])).toEqual([{ kind: 'registered', epoch: 9 }]);
    expect(calls).toEqual([
      {
        keys: [`muster:v1:{p${String(partitionOf('x')).padStart(2, '0')}}:agents`],
        args: [...['gw-b', 0, 5, 700, 1, 'gw-a'], ...['x', 'acme', 1, item.instance, 'live', 1_000, 500, 4]],
      },
    ]);
  });

  test('that depends on who lives is decided with a fresh list, and the others are left as they are', async () => {
    const { registrations, calls } = setUp(
      () => [['registered', '9', 'gw-a', '8'], ['check'], ['registered', '10', '', '']],
      () => [['duplicate', 'instance', 'gw-new', '3', 'machine']],
    );
    const items = ['x', 'x', 'x'].map((agentId, num) => registration({ agentId, num }));
    expect(await registrations.register('gw-b', items)).toEqual([
      { kind: 'registered', epoch: 9, previous: { gatewayId: 'gw-a', epoch: 8 } },
      { kind: 'duplicate', reason: 'instance', holder: { gatewayId: 'gw-new', epoch: 3, instance: 'machine' } },
      { kind: 'registered', epoch: 10 },
    ]);
    expect(calls[1]?.args.slice(0, 10)).toEqual(['gw-b', 1, 5, 700, 2, 'gw-a', 'gw-new', 'x', 'acme', 1]);
    expect(calls).toHaveLength(2);
  });

  test('that cannot be decided even so is unavailable', async () => {
    const { registrations } = setUp(() => [['check']]);
    const [result] = await registrations.register('gw-b', [registration()]);
    expect(result).toMatchObject({ kind: 'unavailable', cause: { message: expect.stringContaining('decided') } });
  });

  test('of a flapping agent is told apart from one of another machine', async () => {
    const { registrations } = setUp(() => [['duplicate', 'flapping', 'gw-a', '3', 'machine']]);
    expect(await registrations.register('gw-b', [registration()])).toMatchObject([{ reason: 'flapping' }]);
  });

  test('of no agent asks nobody', async () => {
    const { registrations, calls } = setUp(fail);
    expect([await registrations.register('gw-b', []), calls]).toEqual([[], []]);
  });
});

describe('a batch', () => {
  test('is one call for each partition and 256 agents, with results in the order of the items', async () => {
    const { registrations, calls } = setUp((_keys, args) =>
      Array.from({ length: (args.length - 1) / 7 }, (_, i) => ['lost', String(args[1 + 7 * i]), '3']),
    );
    const items = [...Array.from({ length: 300 }, () => 'same'), 'a', 'b'].map((agentId) => heldSession({ agentId }));
    const results = await registrations.resync('gw-b', items);
    expect(calls.map(({ args }) => (args.length - 1) / 7).toSorted((a, b) => a - b)).toEqual([1, 1, 44, 256]);
    expect(results).toEqual(items.map(({ agentId }) => ({ kind: 'lost', holder: { gatewayId: agentId, epoch: 3 } })));
  });

  test('of which one partition fails is unavailable for those agents only', async () => {
    const { registrations } = setUp(
      () => [['kept']],
      fail,
      () => [['lost', '', '3']],
    );
    const items = ['a', 'b', 'c'].map((agentId) => heldSession({ agentId }));
    expect(await registrations.resync('gw-b', items)).toMatchObject([
      { kind: 'kept' },
      { kind: 'unavailable', cause: new Error('away') },
      { kind: 'lost' },
    ]);
  });

  test('of ends counts what was ended, and is unavailable when any of it is', async () => {
    const ends = ['a', 'b'].map((agentId) => ({ agentId, epoch: 1 }));
    const { registrations, calls } = setUp(() => 1);
    expect(await registrations.unregister(ends)).toEqual({ kind: 'unregistered', count: 2 });
    expect(calls[0]?.args).toEqual(['a', 1]);
    const failing = setUp(() => 1, fail);
    expect(await failing.registrations.unregister(ends)).toMatchObject({ kind: 'unavailable' });
  });
});
