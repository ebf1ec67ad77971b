import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { runQuery } from '@muster/api-client';
import type { QueryEvent, QueryJson } from '@muster/api-contract';
import { eventually } from '@muster/runtime/testing';
import { fleetOptions, onChannel, startHarness, type Harness } from '../kit/harness.js';
import { Fleet } from '../simulator/index.js';

const AGENTS = 60;
const SQL = 'SELECT hostname FROM system_info';
const QUICK_MS = 5_000;

/** What a viewer was told, and when. */
interface Viewer {
  readonly query: QueryJson;
  readonly events: { readonly event: QueryEvent; readonly atMs: number }[];
  readonly ended: Promise<{ readonly query: QueryJson; readonly atMs: number }>;
}

describe('the end of a query, whatever stands still or dies', () => {
  let harness: Harness;
  let fleet: Fleet;

  const signal = (name: NodeJS.Signals): void => {
    for (const service of harness.stack.queries) service.signal(name);
  };
  const ask = async (timeout: string): Promise<Viewer> => {
    const query = await harness.api.call('POST /v1/queries', { body: { sql: SQL, mode: 'raw', timeout } });
    const events: Viewer['events'] = [];
    return { query, events, ended: follow(query, events) };
  };
  async function follow(query: QueryJson, events: Viewer['events']): Viewer['ended'] {
    for await (const event of harness.api.events('GET /v1/queries/{id}/events', { params: { id: query.id } })) {
      events.push({ event, atMs: Date.now() });
      if (event.event === 'ended') return { query: event.query, atMs: Date.now() };
    }
    throw new Error('no end was told');
  }
  const askMany = (timeout: string): Promise<Viewer[]> => Promise.all(Array.from({ length: 4 }, () => ask(timeout)));
  const hasRows = (viewer: Viewer): boolean => viewer.events.some(({ event }) => event.event === 'rows');

  /** The end that was told, after it was compared with what is kept: rows, failures and ledger of one moment. */
  async function judged({
    query: { id },
    ended,
  }: Viewer): Promise<{ readonly query: QueryJson; readonly atMs: number }> {
    const told = await ended;
    const kept = await harness.api.call('GET /v1/queries/{id}', { params: { id } });
    expect(kept).toEqual(told.query);
    const rows = await harness.api.all('GET /v1/queries/{id}/rows', { params: { id }, pageSize: 1_000 });
    const failures = await harness.api.all('GET /v1/queries/{id}/endpoints', { params: { id }, pageSize: 1_000 });
    const { targeted, answered, empty, waiting } = kept.ledger;
    expect([rows.length, failures.length, waiting]).toEqual([answered, targeted - answered - empty, 0]);
    return told;
  }

  beforeAll(async () => {
    harness = await startHarness({ queries: 2 });
    fleet = new Fleet({
      ...{ ...fleetOptions(harness), ...onChannel('live'), agents: AGENTS },
      ...{ behaviour: { slow: 0.5 }, slowMs: 60_000 },
    });
    await fleet.start();
    await fleet.waitFor(() => fleet.count('ready') === AGENTS);
  });
  afterEach(async () => {
    await harness.brokers.nats.resume();
    signal('SIGCONT');
  });
  afterAll(async () => {
    await fleet.stop();
    await harness.close();
  });

  it('every query service frozen: told 2 s after the deadline at most, and kept so when they go on', async () => {
    const viewers = await askMany('4s');
    await eventually(() => viewers.every(hasRows), 'rows');
    signal('SIGSTOP');
    const ends = await Promise.all(viewers.map(judged));
    const lateMs = ends.map(({ query, atMs }) => atMs - Date.parse(query.deadlineAt));
    expect(ends.map(({ query }) => query.state)).toEqual(viewers.map(() => 'interrupted'));
    process.stderr.write(`ends told ${lateMs.join(', ')} ms after the deadline\n`);
    expect(Math.max(...lateMs)).toBeLessThan(2_000);
    signal('SIGCONT');
    for (let i = 0; i < 4; i += 1) await runQuery(harness.api, { sql: SQL, timeout: '1s' });
    expect(await Promise.all(viewers.map(judged))).toEqual(ends);
  });

  it('NATS frozen for longer than results are retried: viewers hear that nothing is known, and the end 2 s after it goes on', async () => {
    const viewers = await askMany('20s');
    await eventually(() => viewers.every(hasRows), 'rows');
    const frozenMs = Date.now();
    await harness.brokers.nats.freeze();
    const stalled = ({ events }: Viewer) => events.find(({ event }) => event.event === 'stalled');
    await eventually(() => viewers.every((viewer) => stalled(viewer) !== undefined), 'it is told', QUICK_MS);
    expect(viewers.some(({ events }) => events.some(({ event }) => event.event === 'ended'))).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, frozenMs + 36_000 - Date.now()));
    await harness.brokers.nats.resume();
    const resumedMs = Date.now();
    const ends = await Promise.all(viewers.map(judged));
    const tookMs = ends.map(({ atMs }) => atMs - resumedMs);
    process.stderr.write(`ends told ${tookMs.join(', ')} ms after NATS went on\n`);
    expect(Math.max(...tookMs)).toBeLessThan(2_000);
  });

  it('every query service killed: told and kept the same', async () => {
    const viewers = await askMany('30s');
    await eventually(() => viewers.every(hasRows), 'rows');
    const killedMs = Date.now();
    signal('SIGKILL');
    const ends = await Promise.all(viewers.map(judged));
    expect(ends.map(({ query }) => query.state)).toEqual(viewers.map(() => 'interrupted'));
    process.stderr.write(`ends told ${ends.map(({ atMs }) => atMs - killedMs).join(', ')} ms after the kill\n`);
    expect(Math.max(...ends.map(({ atMs }) => atMs - killedMs))).toBeLessThan(8_000);
  });
});
