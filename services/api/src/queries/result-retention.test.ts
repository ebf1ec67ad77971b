import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AuditTrail } from '@muster/audit';
import { encodeCbor, newQueryId, type OrgId, type QueryId } from '@muster/protocol';
import {
  AnswerBlockWriter,
  encodeNumberSet,
  encodeQueryRecord,
  STREAM_SUBJECTS,
  STREAMS,
  type QueryRecord,
} from '@muster/records';
import { createMetrics, silentLogger, systemClock } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';
import type { QueryStore } from './query-store.js';
import { parseRetentionRules, RetentionPolicy } from './retention-policy.js';
import { ResultRetention } from './result-retention.js';

const ORG = 'default' as OrgId;
const OTHER = 'other' as OrgId;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let api: ApiFixture;
let queries: QueryStore;
/** How much later it is than the clock of the machine says. */
let laterMs: number;
beforeEach(async () => {
  api = await ApiFixture.start();
  api.service.columns = ['name'];
  queries = api.api.components['queries'] as unknown as QueryStore;
  laterMs = 0;
});
afterEach(() => api.stop());

function retention(
  text: string | undefined,
  changed: Partial<ConstructorParameters<typeof ResultRetention>[0]> = {},
): ResultRetention {
  const rules = text === undefined ? [] : parseRetentionRules(text);
  if (typeof rules === 'string') throw new Error(rules);
  const policy = new RetentionPolicy(rules, STREAMS.results.maxAgeMs);
  const { streams } = api.connection;
  const counter = { inc: () => undefined };
  return new ResultRetention({
    ...{ policy, queries, streams, logger: silentLogger, metrics: createMetrics('api') },
    clock: { ...systemClock, now: () => systemClock.now() + laterMs },
    audit: new AuditTrail({
      ...{ streams, clock: systemClock, logger: silentLogger },
      metrics: { auditLost: counter, auditSuppressed: counter },
    }),
    ...changed,
  });
}

/** A query with a row that has ended, unless it is told to run. */
async function asked(org: OrgId, ends = true): Promise<QueryRecord> {
  const { token } = await api.token({ role: 'analyst', org });
  const { id } = (await api.ask('POST', '/v1/queries', { token, body: { sql: 'SELECT 1' } })).body as { id: QueryId };
  const record = (await queries.read(org, id)) as QueryRecord;
  const block = new AnswerBlockWriter();
  block.add(1, encodeCbor(['a secret']));
  await api.service.emit(record, { t: 'rows', answers: block.bytes(), changes: { targeted: encodeNumberSet([1]) } });
  if (ends) await api.service.end(record, { ledger: { ...record.ledger, targeted: 1, answered: 1 }, rows: 1 });
  return record;
}

const isKept = async ({ org, id }: QueryRecord) =>
  (await api.connection.streams.last(STREAMS.results.name, STREAM_SUBJECTS.result(org, id))) !== undefined;

test('results go when the policy of their org says so, with one audit record; other orgs keep theirs', async () => {
  const first = await asked(ORG);
  const running = await asked(ORG, false);
  const [second, elsewhere] = [await asked(ORG), await asked(OTHER)];
  const sweeper = retention('default=1h');
  await sweeper.sweep();
  expect(await Promise.all([first, second].map(isKept))).toEqual([true, true]);
  laterMs = HOUR_MS + 60_000;
  await sweeper.sweep();
  // Another process finds nothing more, and says nothing.
  await retention('default=1h').sweep();
  await sweeper.sweep();
  expect(await Promise.all([first, running, second, elsewhere].map(isKept))).toEqual([false, true, false, true]);
  expect((await api.get(`/v1/queries/${first.id}`)).body).toMatchObject({ state: 'complete', rows: 1 });
  expect((await api.get(`/v1/queries/${first.id}/rows`)).body.code).toBe('results_expired');
  const records = await expired();
  expect(records).toMatchObject([
    { actorName: 'result retention', outcome: 'allowed', details: { count: 2, afterMs: HOUR_MS } },
  ]);
  expect(records[0]?.details?.['queries']).toEqual([first.id, second.id]);
  // It ends late: its time begins then, and a sweep that passed it by comes back to it.
  await api.service.end(running, { ledger: { ...running.ledger, targeted: 1, answered: 1 }, rows: 1 });
  laterMs = 2 * HOUR_MS + 120_000;
  await sweeper.sweep();
  expect(await isKept(running)).toBe(false);
});

const expired = async () => (await api.audit()).filter(({ action }) => action === 'query.expire_results');

test('a process that dies while it deletes has left a record of all that it was about to delete', async () => {
  const due = [await asked(ORG), await asked(ORG)];
  laterMs = HOUR_MS + 60_000;
  const { streams } = api.connection;
  let purges = 0;
  // It dies after the first: nothing that comes later happens.
  const purge = (...[stream, subject]: Parameters<typeof streams.purge>) =>
    (purges += 1) === 1 ? streams.purge(stream, subject) : new Promise<never>(() => undefined);
  const last: typeof streams.last = (...args) => streams.last(...args);
  void retention('default=1h', { streams: { last, purge } }).sweep();
  await eventually(() => purges === 2);
  expect(await Promise.all(due.map(isKept))).toEqual([false, true]);
  expect((await expired()).map(({ details }) => details?.['queries'])).toEqual([due.map(({ id }) => id)]);
  // The next process finishes it.
  await retention('default=1h').sweep();
  expect(await Promise.all(due.map(isKept))).toEqual([false, false]);
  expect((await expired()).map(({ details }) => details?.['queries'])[1]).toEqual([due[1]?.id]);
});

test('what cannot be recorded is not deleted, and is tried again', async () => {
  const due = await asked(ORG);
  laterMs = HOUR_MS + 60_000;
  let fault: Error | undefined = new Error('the audit stream is full');
  const sweeper = retention('default=1h', { audit: { recordFirst: async () => fault } });
  await sweeper.sweep();
  expect(await isKept(due)).toBe(true);
  fault = undefined;
  await sweeper.sweep();
  expect(await isKept(due)).toBe(false);
});

test('every query is named in a record, however many go at once', async () => {
  const due = await asked(ORG);
  const ended = (await queries.read(ORG, due.id)) as QueryRecord;
  const ids = Array.from({ length: 250 }, () => newQueryId(ended.createdAtMs - 10_000));
  for (const id of ids) {
    await api.connection.streams.append(STREAM_SUBJECTS.query(ORG, id), encodeQueryRecord({ ...ended, id }));
    await api.connection.streams.append(
      STREAM_SUBJECTS.result(ORG, id),
      encodeQueryRecord({ t: 'ended', record: ended }),
    );
  }
  await queries.current();
  laterMs = HOUR_MS + 60_000;
  await retention('default=1h').sweep();
  const named = (await expired()).flatMap(({ details }) => details?.['queries'] as string[]);
  expect(named.toSorted()).toEqual([...ids, due.id].toSorted());
});

test('what is due goes in one sweep of a process that has just started, however many there are whose results went long ago', async () => {
  const due = await asked(ORG);
  const ended = (await queries.read(ORG, due.id)) as QueryRecord;
  for (let i = 0; i < 1_100; i += 1) {
    const id = newQueryId(ended.createdAtMs - 10_000);
    await api.connection.streams.append(STREAM_SUBJECTS.query(ORG, id), encodeQueryRecord({ ...ended, id }));
  }
  await queries.current();
  laterMs = HOUR_MS + 60_000;
  await retention('default=1h').sweep();
  expect(await isKept(due)).toBe(false);
});

test('rows of a scan stay until they are counted, for a day longer at most', async () => {
  const pack = { id: 'baseline', version: '1.0.0', hash: 'h', checks: 1 } as never;
  const { streams } = api.connection;
  const scans = await Promise.all([asked(ORG), asked(ORG)]);
  for (const { id } of scans) {
    const ended = (await queries.read(ORG, id)) as QueryRecord;
    await streams.append(STREAM_SUBJECTS.query(ORG, id), encodeQueryRecord({ ...ended, pack }));
  }
  const [counted, never] = scans as [QueryRecord, QueryRecord];
  const kept = () => Promise.all([counted, never].map(isKept));
  laterMs = HOUR_MS + 60_000;
  const sweeper = retention('default=1h');
  await sweeper.sweep();
  expect(await kept()).toEqual([true, true]);
  await streams.append(STREAM_SUBJECTS.scan(ORG, counted.id), new Uint8Array([1]));
  await sweeper.sweep();
  expect(await kept()).toEqual([false, true]);
  laterMs += 24 * HOUR_MS;
  await sweeper.sweep();
  expect(await kept()).toEqual([false, false]);
});

test.each([
  ['acme', 'org=duration'],
  ['acme=7d,acme=8d', 'acme comes twice'],
  ['acme=5m', 'at least 1h'],
  ['a b=7d', 'org=duration'],
])('"%s" is no policy', (text, fault) => {
  expect(parseRetentionRules(text)).toContain(fault);
});

test('a policy names orgs and durations', () => {
  expect(parseRetentionRules('acme=7d, other=12h')).toEqual([
    { org: 'acme', ms: 7 * 24 * HOUR_MS },
    { org: 'other', ms: 12 * HOUR_MS },
  ]);
});

test('without a policy results of every org go 30 days after the end, however long the query ran', async () => {
  const [mine, elsewhere] = [await asked(ORG), await asked(OTHER)];
  laterMs = 30 * DAY_MS - 60_000;
  await retention(undefined).sweep();
  expect(await Promise.all([mine, elsewhere].map(isKept))).toEqual([true, true]);
  laterMs = 30 * DAY_MS + 60_000;
  await retention(undefined).sweep();
  expect(await Promise.all([mine, elsewhere].map(isKept))).toEqual([false, false]);
});

describe('how long a hunt may wait', () => {
  const waits = (text: string, keptDays: number): number =>
    new RetentionPolicy(parseRetentionRules(text) as [], keptDays * DAY_MS).longestWaitMs(ORG) / DAY_MS;

  test('so that what it found first is kept for the time of the policy after its end', () => {
    expect(waits('other=1h', 44)).toBe(14);
    expect(waits('default=30d', 44)).toBe(14);
    expect(waits('default=40d', 44)).toBe(4);
    expect(waits('default=60d', 44)).toBe(0);
    // A shorter stream has the same for both.
    expect([waits('other=1h', 30), waits('other=1h', 10)]).toEqual([14, 5]);
    const { results, queries: records } = STREAMS;
    expect(records.maxAgeMs).toBeGreaterThan(results.maxAgeMs);
  });

  test('else it is refused, with the reason', async () => {
    await api.stop();
    const rules = [{ org: ORG, ms: 40 * DAY_MS }];
    api = await ApiFixture.start({ retention: new RetentionPolicy(rules, 44 * DAY_MS) });
    const until = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString();
    const ask = (days: number) => api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1', waitUntil: until(days) } });
    expect((await ask(4)).status).toBe(201);
    const { status, body } = await ask(7);
    expect([status, body.detail]).toEqual([
      400,
      expect.stringContaining(
        'at most 4 days from now: results are kept for 44 days in all, and what a hunt found for 40 days after its end',
      ),
    ]);
    // Scans wait as hunts do, and so do those that schedules start.
    const scan = (days: number) => api.ask('POST', '/v1/scans', { body: { pack: 'baseline', waitUntil: until(days) } });
    const schedule = (wait: string) =>
      api.ask('POST', '/v1/schedules', { body: { name: 'weekly', pack: 'baseline', cron: '0 2 * * 1', wait } });
    expect([(await scan(4)).status, (await schedule('4d')).status]).toEqual([201, 201]);
    for (const refused of [await scan(7), await schedule('7d')]) {
      expect([refused.status, refused.body.detail]).toEqual([400, expect.stringContaining('at most 4 days')]);
    }
  });
});
