import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EMPTY_LEDGER, encodeCbor, newQueryId, type Outcome, type QueryId } from '@muster/protocol';
import {
  AnswerBlockWriter,
  decodeNumberSet,
  encodeNumberSet,
  encodeQueryRecord,
  GroupBlockWriter,
  STREAM_SUBJECTS,
  type QueryRecord,
} from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';
import type { QueryStore } from './query-store.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
  api.service.columns = ['name'];
});
afterEach(() => api.stop());

async function ask(body: object): Promise<QueryRecord> {
  const { id } = (await api.ask('POST', '/v1/queries', { body })).body;
  return (await (api.api.components['queries'] as unknown as QueryStore).read('default' as never, id)) as QueryRecord;
}

/** These endpoints answered with their number, these gave no rows, these failed. */
async function tell(
  record: QueryRecord,
  { answered, empty = [], failed = [] }: { answered: number[]; empty?: number[]; failed?: [number, Outcome][] },
): Promise<void> {
  const targeted = encodeNumberSet([...answered, ...empty, ...failed.map(([num]) => num)]);
  const changes = { targeted, empty: encodeNumberSet(empty) };
  if (record.mode === 'raw') {
    const block = new AnswerBlockWriter();
    for (const num of answered) block.add(num, encodeCbor([`n${num}`]));
    await api.service.emit(record, { t: 'rows', answers: block.bytes(), changes });
  } else {
    const block = new GroupBlockWriter();
    const endpoints = answered.length;
    block.add(0, { row: encodeCbor(['same']), endpoints, copies: endpoints, sample: answered });
    block.add(1, { row: encodeCbor([`of ${answered[0]}`]), endpoints: 1, copies: 1, sample: answered.slice(0, 1) });
    const all = { ...changes, answered: encodeNumberSet(answered) };
    await api.service.emit(record, { t: 'groups', groups: block.bytes(), changes: all });
  }
  const failures = failed.map(([num, outcome]) => [num, outcome, 'code', 'why'] as const);
  if (failures.length > 0) await api.service.emit(record, { t: 'failures', failures });
  await api.service.end(record);
}

describe('a query that asks another one again', () => {
  test('asks the same question of the endpoints without an answer, and of those alone', async () => {
    const first = await ask({ sql: 'SELECT 1', selector: 'os=linux', mode: 'raw' });
    const stillRuns = await api.ask('POST', '/v1/queries', { body: { retryOf: first.id } });
    expect([stillRuns.status, stillRuns.body.code]).toEqual([409, 'conflict']);
    await tell(first, {
      answered: [1, 2],
      empty: [3],
      failed: [
        [4, 'timed_out'],
        [5, 'error'],
      ],
    });
    const all = await ask({ retryOf: first.id });
    expect(all).toMatchObject({ sql: 'SELECT 1', selector: 'os=linux', mode: 'raw', retryOf: first.id });
    expect(decodeNumberSet(all.among as Uint8Array)).toEqual([4, 5]);
    const some = await ask({ retryOf: first.id, outcome: ['timed_out'] });
    expect(decodeNumberSet(some.among as Uint8Array)).toEqual([4]);
    const nobody = await api.ask('POST', '/v1/queries', { body: { retryOf: first.id, outcome: ['refused'] } });
    expect([nobody.status, nobody.body.code]).toEqual([409, 'conflict']);
    for (const body of [{}, { sql: 'SELECT 1', retryOf: first.id }, { sql: 'SELECT 1', outcome: ['error'] }])
      expect((await api.ask('POST', '/v1/queries', { body })).status).toBe(400);
  });

  test('is refused where its rows could not be read with those of all before it', async () => {
    const first = await ask({ sql: 'SELECT 1', mode: 'raw' });
    await tell(first, { answered: [1], failed: [[4, 'timed_out']] });
    const queries = api.api.components['queries'] as unknown as QueryStore;
    const ended = (await queries.read(first.org, first.id)) as QueryRecord;
    const { streams } = api.connection;
    const chain = [first.id];
    for (let i = 1; i < 20; i += 1) {
      const id = newQueryId(Date.now());
      const record = { ...ended, id, ledger: EMPTY_LEDGER, retryOf: chain.at(-1) as QueryId };
      await streams.append(STREAM_SUBJECTS.query(first.org, id), encodeQueryRecord(record));
      await streams.append(STREAM_SUBJECTS.result(first.org, id), encodeQueryRecord({ t: 'ended', record }));
      chain.push(id);
    }
    await queries.current();
    const again = async (retryOf: string | undefined) =>
      (await api.ask('POST', '/v1/queries', { body: { retryOf } })).status;
    expect([await again(chain.at(-2)), await again(chain.at(-1))]).toEqual([201, 409]);
  });

  test('reaches who was away, too: they gave no answer either', async () => {
    const [here, absent, windows, revoked] = [
      (await api.agent()).num,
      (await api.agent()).num,
      (await api.agent({ facts: { os: 'windows' } })).num,
      await api.agent(),
    ];
    await api.ask('POST', `/v1/agents/${revoked.agentId}/revoke`, { body: { reason: 'test' } });
    // The view of the API follows the stream with a delay.
    await eventually(async () => (await api.get('/v1/agents?revoked=only')).body.items.length === 1, 'it is revoked');
    const first = await ask({ sql: 'SELECT 1', selector: 'os=linux' });
    await tell(first, { answered: [here] });
    const later = (await api.agent()).num;
    const waitUntil = new Date(Date.now() + 7 * 86_400_000).toISOString();
    const second = await ask({ retryOf: first.id, waitUntil });
    expect(decodeNumberSet(second.among as Uint8Array)).toEqual([absent]);
    expect([windows, later]).not.toContain(absent);
    expect((await ask({ retryOf: first.id })).among).toEqual(second.among);
    const timedOut = { retryOf: first.id, outcome: ['timed_out'] };
    expect((await api.ask('POST', '/v1/queries', { body: timedOut })).body.code).toBe('conflict');
    // Who answers a retry has answered.
    await tell(second, { answered: [absent] });
    expect((await api.ask('POST', '/v1/queries', { body: { retryOf: second.id } })).body.code).toBe('conflict');
  });

  test('is reduced with what it asks again, where that is wanted', async () => {
    const first = await ask({ sql: 'SELECT 1' });
    await tell(first, { answered: [1], failed: [[2, 'timed_out']] });
    const second = await ask({ retryOf: first.id });
    await tell(second, { answered: [2] });
    let queries: number | undefined = 2;
    const asked: unknown[] = [];
    api.service.answer = (request) =>
      request.t === 'reduce' && asked.push(request.earlier) > 0
        ? { t: 'reduced', columns: ['n'], rows: [[2]], truncated: false, ...(queries === undefined ? {} : { queries }) }
        : undefined;
    const reduce = (body: object) => api.ask('POST', `/v1/queries/${second.id}/reduce`, { body });
    expect((await reduce({ sql: 'SELECT 2 AS n', merged: true })).body).toMatchObject({ rows: [[2]] });
    expect(asked).toEqual([[first.id]]);
    // A service of the version before would give the rows of the retry alone.
    queries = undefined;
    expect((await reduce({ sql: 'SELECT 2 AS n', merged: true })).body.code).toBe('no_query_service');
    expect((await reduce({ sql: 'SELECT 2 AS n' })).status).toBe(200);
  });

  test('has the rows of both as one, also after a second time, in every format', async () => {
    const first = await ask({ sql: 'SELECT 1' });
    await tell(first, {
      answered: [1, 2],
      failed: [
        [3, 'timed_out'],
        [4, 'timed_out'],
      ],
    });
    const second = await ask({ retryOf: first.id });
    await tell(second, { answered: [3], failed: [[4, 'timed_out']] });
    const third = await ask({ retryOf: second.id });
    expect(decodeNumberSet(third.among as Uint8Array)).toEqual([4]);
    await tell(third, { answered: [4] });
    const names = (items: { values: string[] }[]): string[] => items.map(({ values }) => values[0] ?? '');
    const own = await api.get(`/v1/queries/${third.id}/rows`);
    expect(names(own.body.items)).toEqual(['n4']);
    const paged: string[] = [];
    for (let cursor = ''; ;) {
      const { body } = await api.get(`/v1/queries/${third.id}/rows?merged=true&limit=1${cursor}`);
      paged.push(...names(body.items));
      if (body.nextCursor === undefined) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    expect(paged).toEqual(['n1', 'n2', 'n3', 'n4']);
    const csv = await api.get(`/v1/queries/${third.id}/rows?merged=true&format=csv`);
    expect(csv.text.trim().split(/\r?\n/)).toHaveLength(5);
  });

  test('has the endpoints of both as they were asked last, with a ledger that adds up', async () => {
    const first = await ask({ sql: 'SELECT 1' });
    const failed: [number, Outcome][] = [
      [3, 'timed_out'],
      [4, 'timed_out'],
      [5, 'error'],
    ];
    await tell(first, { answered: [1], empty: [2], failed });
    const second = await ask({ retryOf: first.id, outcome: ['timed_out'] });
    const retried = { targeted: encodeNumberSet([3, 4]) };
    await api.service.emit(second, { t: 'failures', failures: [], changes: retried });
    const read = (query: string) => api.get(`/v1/queries/${second.id}/endpoints?${query}`);
    const nums = (items: { num: number; outcome: string }[]) => items.map(({ num, outcome }) => [num, outcome]);
    // Both are asked again, and one is away from the list of failures for so long.
    expect((await read('merged=true')).body).toMatchObject({
      ledger: { targeted: 5, waiting: 2, answered: 1, empty: 1 },
    });
    expect(nums((await read('outcome=waiting')).body.items)).toEqual([
      [3, 'waiting'],
      [4, 'waiting'],
    ]);
    await tell(second, { answered: [3], failed: [[4, 'disconnected']] });
    const merged = (await read('merged=true')).body;
    expect(nums(merged.items)).toEqual([
      [4, 'disconnected'],
      [5, 'error'],
    ]);
    expect(merged.ledger).toMatchObject({ targeted: 5, waiting: 0, answered: 2, empty: 1, disconnected: 1, error: 1 });
    expect(nums((await read('outcome=error&merged=true')).body.items)).toEqual([[5, 'error']]);
    expect(nums((await read('')).body.items)).toEqual([[4, 'disconnected']]);
    expect((await read('')).body.ledger).toBeUndefined();
    expect((await read('outcome=waiting')).body.items).toEqual([]);
  });

  test('in group form, equal rows of both are one group', async () => {
    const first = await ask({ sql: 'SELECT 1', mode: 'group' });
    await tell(first, { answered: [1, 2], failed: [[3, 'timed_out']] });
    const second = await ask({ retryOf: first.id });
    await tell(second, { answered: [3] });
    const { body } = await api.get(`/v1/queries/${second.id}/rows?merged=true`);
    const groups = body.items.map((one: { index: number; values: string[]; endpoints: number }) => [
      one.index,
      one.values[0],
      one.endpoints,
    ]);
    expect(groups).toEqual([
      [0, 'same', 3],
      [1, 'of 1', 1],
      [2, 'of 3', 1],
    ]);
    const page = await api.get(`/v1/queries/${second.id}/rows?merged=true&limit=2`);
    const rest = await api.get(`/v1/queries/${second.id}/rows?merged=true&limit=2&cursor=${page.body.nextCursor}`);
    expect([page.body.items.length, rest.body.items.length, rest.body.nextCursor]).toEqual([2, 1, undefined]);
  });
});
