import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { followQuery, runQuery } from '@muster/api-client';
import type { LedgerJson, QueryJson } from '@muster/api-contract';
import { ledgerBalances } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { fleetOptions, onChannel, startHarness, type Harness } from '../kit/harness.js';
import { tellRedis } from '../kit/tell-redis.js';
import { Fleet, type FleetOptions } from '../simulator/index.js';

const AGENTS = 60;
/** These take 3 to 9 s for an answer; they are asked by name. */
const SLOW_AGENTS = 20;
/** These never answer, and are at the first gateway alone, so that a query to them and the slow ones lasts until its deadline. */
const SILENT_AGENTS = 4;
const SQL = 'SELECT hostname FROM system_info';
/** Shorter than what this project ships, so that leases lapse soon. */
const LEASE_MS = 5_000;
/** Longer than any part takes to hold another one for dead. */
const FROZEN_MS = 18_000;

// Everybody lives in each of these; what stands still is a broker or a gateway.
describe('what stands still is not taken for what is not there', () => {
  let harness: Harness;
  const fleets: Fleet[] = [];
  const query = (timeout: string) => runQuery(harness.api, { sql: SQL, selector: 'speed=fast', timeout });
  const start = async (selector: string, timeout: string): Promise<string> =>
    (await harness.api.call('POST /v1/queries', { body: { sql: SQL, selector, timeout } })).id;
  /** The first query that is taken: a service may say for a moment that it cannot reach another one. */
  const firstQuery = () => eventually(() => query('20s'), 'a query is taken', 20_000);
  const timed = async (what: string, ask: () => Promise<QueryJson>): Promise<QueryJson> => {
    const startedMs = performance.now();
    const ended = await ask();
    process.stdout.write(`a query after ${what} stood still: ${Math.round(performance.now() - startedMs)} ms\n`);
    return ended;
  };
  const startFleet = async (agents: number, change: Partial<FleetOptions>): Promise<void> => {
    const fleet = new Fleet({ ...fleetOptions(harness), ...onChannel('live'), agents, ...change });
    fleets.push(fleet);
    await fleet.start();
    await fleet.waitFor(() => fleet.count('ready') === agents);
  };

  beforeAll(async () => {
    harness = await startHarness({ gateways: 2, env: { gateway: { MUSTER_GATEWAY_LEASE: `${LEASE_MS}ms` } } });
    await startFleet(AGENTS, { labels: { speed: 'fast' } });
    await startFleet(SLOW_AGENTS, {
      ...{ labels: { speed: 'slow' }, firstIndex: AGENTS, behaviour: { slow: 1 }, slowMs: 6_000 },
    });
    const [first] = harness.stack.gateways;
    await startFleet(SILENT_AGENTS, {
      gateways: [first?.url ?? ''],
      ...{ labels: { speed: 'none' }, firstIndex: AGENTS + SLOW_AGENTS, behaviour: { silent: 1 } },
    });
    await eventually(async () => (await query('10s')).ledger.answered === AGENTS, 'everybody answers', 20_000);
  });
  afterAll(async () => {
    for (const fleet of fleets) await fleet.stop();
    await harness.close();
  });

  it('Redis: a query of 2 s asks everybody, and one that runs while leases lapse loses nobody', async () => {
    const ledgers: LedgerJson[] = [];
    const long = await start('speed=slow', '30s');
    await harness.brokers.redis.freeze();
    const followed = followQuery(harness.api, long, (ledger) => void ledgers.push(ledger));
    try {
      const short = await timed('redis', () => query('2s'));
      expect(short.ledger).toMatchObject({ targeted: AGENTS, answered: AGENTS });
      await sleep(LEASE_MS + 2_000);
    } finally {
      await harness.brokers.redis.resume();
    }
    expect((await followed).ledger).toMatchObject({ targeted: SLOW_AGENTS, answered: SLOW_AGENTS });
    for (const ledger of ledgers) expect(ledgerBalances(ledger) && ledger.unreachable === 0).toBe(true);
  });

  it('a gateway, and Redis with it or emptied: whom the gateway held is remembered', async () => {
    const [gateway] = harness.stack.gateways;
    const { redis } = harness.brokers;
    gateway?.signal('SIGSTOP');
    await redis.freeze();
    try {
      const without = await query('2s');
      await redis.resume();
      await tellRedis(redis.url, 'FLUSHALL');
      const emptied = await query('2s');
      for (const { ledger, offline, truncated } of [without, emptied]) {
        expect(ledger).toMatchObject({ targeted: AGENTS, waiting: 0 });
        expect(ledger.unreachable).toBeGreaterThan(0);
        expect([offline, truncated]).toEqual([0, undefined]);
      }
    } finally {
      await redis.resume();
      gateway?.signal('SIGCONT');
    }
    await eventually(async () => (await query('5s')).ledger.answered === AGENTS, 'everybody answers again', 60_000);
  });

  it('NATS: the first query after it goes on asks everybody', async () => {
    await harness.brokers.nats.freeze();
    await sleep(FROZEN_MS);
    await harness.brokers.nats.resume();
    const first = await timed('nats', firstQuery);
    expect(first.ledger).toMatchObject({ targeted: AGENTS, answered: AGENTS });
    expect(first.offline).toBe(0);
  });

  it('the query service: the first query after it goes on asks everybody', async () => {
    const [service] = harness.stack.queries;
    service?.signal('SIGSTOP');
    await sleep(FROZEN_MS);
    service?.signal('SIGCONT');
    const first = await timed('the query service', firstQuery);
    expect(first.ledger).toMatchObject({ targeted: AGENTS, answered: AGENTS });
    expect(first.offline).toBe(0);
  });

  it('a gateway: its endpoints are unreachable, not offline, until they are back; then a query that runs asks them', async () => {
    // Most are here: they have left the other one.
    const [, gateway] = harness.stack.gateways;
    const long = await start('speed in (slow,none)', '120s');
    const followed = followQuery(harness.api, long);
    await sleep(1_000);
    gateway?.signal('SIGSTOP');
    try {
      const early = await query('2s');
      expect(early.ledger.targeted).toBe(AGENTS);
      expect(early.ledger.unreachable).toBeGreaterThan(0);
      expect(early.offline).toBe(0);
      await sleep(FROZEN_MS);
      const late = await timed('a gateway', () => query('10s'));
      expect(late.ledger).toMatchObject({ targeted: AGENTS, waiting: 0 });
      expect(late.ledger.answered + late.ledger.unreachable).toBe(AGENTS);
      // Those that have left it answer through the other one.
      expect(late.offline).toBe(0);
    } finally {
      gateway?.signal('SIGCONT');
    }
    // It is fenced; its agents come back.
    await eventually(async () => (await query('5s')).ledger.answered === AGENTS, 'everybody answers again', 40_000);
    const answered = async () =>
      (await harness.api.call('GET /v1/queries/{id}', { params: { id: long } })).ledger.answered;
    await eventually(async () => (await answered()) === SLOW_AGENTS, 'the slow ones have answered', 40_000);
    await harness.api.call('DELETE /v1/queries/{id}', { params: { id: long } });
    const { ledger } = await followed;
    expect(ledger).toMatchObject({ targeted: SLOW_AGENTS + SILENT_AGENTS, answered: SLOW_AGENTS });
  });
});
