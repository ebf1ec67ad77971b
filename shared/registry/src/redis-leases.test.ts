import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { RedisConnection } from './redis-connection.js';
import { RedisLeases } from './redis-leases.js';

let nowMs = 0;
beforeEach(() => {
  nowMs = 5_000;
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
});
afterEach(() => void jest.restoreAllMocks());

/** Leases whose Redis answers with these rows, and counts what it is asked. */
function setUp() {
  const asked = { live: 0, renewals: [] as (readonly string[])[] };
  let rows: string[][] = [];
  let failure: Error | undefined;
  let renewals: Record<string, string> = {};
  const connection = {
    run: async () => {
      asked.live += 1;
      await new Promise((resolve) => setImmediate(resolve));
      if (failure !== undefined) throw failure;
      return rows;
    },
    hmget: (_key: string, ids: readonly string[]) => {
      asked.renewals.push(ids);
      return Promise.resolve(ids.map((id) => renewals[id] ?? null));
    },
  } as unknown as RedisConnection;
  const liveAre = (...ids: string[]): void => {
    rows = ids.map((id) => [id, '900', '{"sessions":1,"draining":false,"startedAtMs":7}']);
  };
  const failWith = (error: Error | undefined): void => void (failure = error);
  const renewed = (times: Record<string, string>): void => void (renewals = times);
  return { leases: new RedisLeases(connection), asked, liveAre, failWith, renewed };
}

describe('the live gateways', () => {
  test('are read once a second at most, and by all callers of a moment together', async () => {
    const { leases, asked, liveAre } = setUp();
    liveAre('gw-a');
    const [one, two] = await Promise.all([leases.live(), leases.live()]);
    expect([one === two, asked.live, one.readAtMs]).toEqual([true, 1, 5_000]);
    expect(one.leases.get('gw-a')).toEqual({
      ...{ gatewayId: 'gw-a', remainingMs: 900, sessions: 1, draining: false, startedAtMs: 7 },
    });
    liveAre('gw-b');
    nowMs += 999;
    expect([(await leases.live()) === one, asked.live]).toEqual([true, 1]);
    nowMs += 1;
    expect([[...(await leases.live()).leases.keys()], asked.live]).toEqual([['gw-b'], 2]);
  });

  test('are read anew where that is asked for, which serves later callers too', async () => {
    const { leases, asked, liveAre } = setUp();
    liveAre('gw-a');
    await leases.live();
    liveAre('gw-a', 'gw-b');
    expect((await leases.fresh()).leases.size).toBe(2);
    expect([(await leases.live()).leases.size, asked.live]).toEqual([2, 2]);
    expect(await leases.gateways()).toMatchObject({ gateways: [{ gatewayId: 'gw-a' }, { gatewayId: 'gw-b' }] });
    expect(asked.live).toBe(3);
  });

  test('are asked for again after a failure', async () => {
    const { leases, liveAre, failWith } = setUp();
    failWith(new Error('away'));
    await expect(leases.live()).rejects.toThrow('away');
    expect(await leases.gateways()).toEqual({ kind: 'unavailable', cause: new Error('away') });
    failWith(undefined);
    liveAre('gw-a');
    expect((await leases.live()).leases.size).toBe(1);
  });
});

describe('the last renewal of a lease that has ended', () => {
  test('is read once, because it does not change', async () => {
    const { leases, asked, renewed } = setUp();
    renewed({ 'gw-a': '1234|{"sessions":1}', 'gw-b': '99|x' });
    expect(await leases.lastRenewals(new Set())).toEqual(new Map());
    expect((await leases.lastRenewals(new Set(['gw-a']))).get('gw-a')).toBe(1_234);
    const both = await leases.lastRenewals(new Set(['gw-a', 'gw-b']));
    expect([both.get('gw-a'), both.get('gw-b')]).toEqual([1_234, 99]);
    expect(asked.renewals).toEqual([['gw-a'], ['gw-b']]);
  });

  test('is missing when nobody knows the gateway any more', async () => {
    const { leases } = setUp();
    expect((await leases.lastRenewals(new Set(['gw-gone']))).has('gw-gone')).toBe(false);
  });

  test('is remembered of 10,000 gateways at most', async () => {
    const { leases, asked, renewed } = setUp();
    const many = Array.from({ length: 9_999 }, (_, n) => `gw-${n}`);
    renewed(Object.fromEntries([...many, 'gw-x', 'gw-y'].map((id) => [id, '5|x'])));
    await leases.lastRenewals(new Set(many));
    expect((await leases.lastRenewals(new Set(['gw-x']))).size).toBe(10_000);
    expect((await leases.lastRenewals(new Set(['gw-y']))).size).toBe(1);
    expect(asked.renewals).toHaveLength(3);
  });
});
