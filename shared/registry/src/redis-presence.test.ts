import { describe, expect, test } from '@jest/globals';
import type { RedisConnection } from './redis-connection.js';
import type { LiveGateways, RedisLeases } from './redis-leases.js';
import { RedisPresence } from './redis-presence.js';
import type { ScanPage } from './registry.js';

const entry = (gatewayId: string, { mode = 'live', org = 'acme', num = 5, lastSeenMs = 40 } = {}): string =>
  `7|${gatewayId}|instance|${mode}|30|${lastSeenMs}|${org}|${num}|`;

/** `live`: the gateways as known before; `fresh`: as they are now. Each page of a partition is a list of fields and values. */
function setUp({ live, fresh = live }: { live: string[]; fresh?: string[] }) {
  const stored = new Map<string, string>();
  const pages: string[][] = [];
  const asked = { fresh: 0, scans: [] as string[], hmgets: [] as number[] };
  let failsAt = Infinity;
  const liveOf = (ids: string[], readAtMs: number): LiveGateways =>
    ({ readAtMs, leases: new Map(ids.map((id) => [id, {}])) }) as unknown as LiveGateways;
  const connection = {
    hmget: (_key: string, ids: readonly string[]) => {
      asked.hmgets.push(ids.length);
      return Promise.resolve(ids.map((id) => stored.get(id) ?? null));
    },
    hscan: (key: string, cursor: string) => {
      asked.scans.push(`${key} ${cursor}`);
      if (asked.scans.length >= failsAt) return Promise.reject(new Error('away'));
      // All pages are in the first partition.
      const at = Number(cursor);
      if (!key.includes('{p00}')) return Promise.resolve(['0', []]);
      return Promise.resolve([at + 1 < pages.length ? String(at + 1) : '0', pages[at] ?? []]);
    },
  } as unknown as RedisConnection;
  const leases = {
    live: () => Promise.resolve(liveOf(live, 0)),
    fresh: () => {
      asked.fresh += 1;
      return Promise.resolve(liveOf(fresh, 0));
    },
    lastRenewals: () => Promise.resolve(new Map([['gw-gone', 90]])),
  } as unknown as RedisLeases;
  const presence = new RedisPresence(connection, leases);
  const scanned = async (signal?: AbortSignal): Promise<ScanPage[]> => {
    const found: ScanPage[] = [];
    for await (const page of presence.scan('acme', signal)) found.push(page);
    return found;
  };
  const of = async (agentId: string) => {
    const result = await presence.lookup([agentId]);
    return result.kind === 'found' ? result.agents.get(agentId) : result;
  };
  const failAt = (scan: number): void => void (failsAt = scan);
  return { presence, stored, pages, asked, scanned, of, failAt };
}

describe('a look-up', () => {
  test('says who holds an agent, and that it is connected now', async () => {
    const { stored, of } = setUp({ live: ['gw-a'] });
    stored.set('one', entry('gw-a')).set('two', entry('gw-a', { mode: 'poll' }));
    const before = Date.now();
    const one = await of('one');
    expect(one).toMatchObject({ session: { gatewayId: 'gw-a', epoch: 7, mode: 'live', connectedAtMs: 30 } });
    expect((one as { lastSeenMs: number }).lastSeenMs).toBeGreaterThanOrEqual(before);
    expect(await of('two')).toMatchObject({ session: { mode: 'poll' } });
    expect(await of('nobody')).toBeUndefined();
  });

  test('says when an agent was last seen: when it left, or when its gateway was last known to live', async () => {
    const { stored, of } = setUp({ live: ['gw-a'] });
    stored
      .set('left', entry(''))
      .set('lost', entry('gw-gone'))
      .set('later', entry('gw-gone', { lastSeenMs: 95 }));
    const lapsed = { gatewayId: 'gw-gone', epoch: 7, mode: 'live', connectedAtMs: 30 };
    expect(await Promise.all(['left', 'lost', 'later'].map(of))).toEqual([
      { lastSeenMs: 40 },
      { lastSeenMs: 90, lapsed },
      { lastSeenMs: 95, lapsed },
    ]);
  });

  test('reads the live gateways again where an entry names one that is not known, and only there', async () => {
    const { stored, asked, of } = setUp({ live: ['gw-a'], fresh: ['gw-a', 'gw-new'] });
    stored.set('known', entry('gw-a')).set('left', entry('')).set('new', entry('gw-new'));
    await of('known');
    await of('left');
    expect(asked.fresh).toBe(0);
    expect([await of('new'), asked.fresh]).toMatchObject([{ session: { gatewayId: 'gw-new' } }, 1]);
  });

  test('of many asks for 512 of a partition at a time', async () => {
    const { presence, asked } = setUp({ live: [] });
    await presence.lookup(Array.from({ length: 1_025 }, () => 'same'));
    expect(asked.hmgets).toEqual([512, 512, 1]);
  });
});

describe('a scan', () => {
  test('gives the agents of its org whose gateways live, page by page, through all partitions', async () => {
    const { pages, asked, scanned } = setUp({ live: ['gw-a'] });
    pages.push(['one', entry('gw-a', { mode: 'poll' }), 'other', entry('gw-a', { org: 'globex' })]);
    pages.push(['left', entry(''), 'lost', entry('gw-gone')]);
    pages.push(['two', entry('gw-a', { num: 6 })]);
    const session = { gatewayId: 'gw-a', epoch: 7, connectedAtMs: 30 };
    expect(await scanned()).toEqual([
      { kind: 'page', entries: [{ ...session, agentId: 'one', num: 5, mode: 'poll' }] },
      { kind: 'page', entries: [{ ...session, agentId: 'two', num: 6, mode: 'live' }] },
    ]);
    expect(asked.scans).toHaveLength(66);
    expect(asked.scans.slice(0, 3).map((scan) => scan.at(-1))).toEqual(['0', '1', '2']);
  });

  test('ends when nobody wants more', async () => {
    const { asked, scanned } = setUp({ live: [] });
    expect(await scanned(AbortSignal.abort())).toEqual([]);
    expect(asked.scans).toEqual([]);
  });

  test('ends with `unavailable` when the store goes away', async () => {
    const { pages, asked, scanned, failAt } = setUp({ live: ['gw-a'] });
    pages.push(['one', entry('gw-a')]);
    failAt(3);
    expect((await scanned()).map(({ kind }) => kind)).toEqual(['page', 'unavailable']);
    expect(asked.scans).toHaveLength(3);
  });
});
