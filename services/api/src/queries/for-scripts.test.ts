import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeCbor, type SqlValue } from '@muster/protocol';
import { AnswerBlockWriter, GroupBlockWriter, type QueryRecord } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';
import type { QueryStore } from './query-store.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const ask = (path: string, body: object) => api.ask('POST', path, { body: { sql: 'SELECT 1', ...body } });
const read = async (id: string): Promise<QueryRecord> => {
  const store = api.api.components['queries'] as unknown as QueryStore;
  return (await store.read('default' as never, id as never)) as QueryRecord;
};

async function tellRows(record: QueryRecord, num: number, ...rows: SqlValue[][]): Promise<void> {
  const block = new AnswerBlockWriter();
  block.add(num, Buffer.concat(rows.map((row) => encodeCbor(row))));
  await api.service.emit(record, { t: 'rows', answers: block.bytes() });
}

async function tellGroup(record: QueryRecord, row: SqlValue[]): Promise<void> {
  const block = new GroupBlockWriter();
  block.add(0, { row: encodeCbor(row), endpoints: 2, copies: 2, sample: [7] });
  await api.service.emit(record, { t: 'groups', groups: block.bytes() });
}

/** The query that the API has been asked to wait for. */
async function waitedFor(): Promise<QueryRecord> {
  const listed = await eventually(async () => {
    const { items } = (await api.get('/v1/queries')).body;
    return items.length === 0 ? undefined : items[0];
  });
  return read(listed.id);
}

describe('rows as objects', () => {
  test('are the same on pages, as NDJSON and in events; a name that occurs twice is told apart', async () => {
    const { num, agentId } = await api.agent({ facts: { host: 'web-1' } });
    api.service.columns = ['name', 'name', '__proto__'];
    const record = await read((await ask('/v1/queries', {})).body.id);
    await tellRows(record, num, ['a', 'b', null]);
    await api.service.end(record);
    const row = '{"name":"a","name_2":"b","__proto__":null}';
    const line = `{"num":${num},"agentId":"${agentId}","host":"web-1","row":${row}}`;
    const path = `/v1/queries/${record.id}`;
    expect((await api.get(`${path}/rows?rows=objects`)).text).toContain(`"items":[${line}]`);
    expect((await api.get(`${path}/rows?rows=objects&format=ndjson`)).text).toBe(`${line}\n`);
    const events = await api.get(`${path}/events?rows=objects`, { headers: { accept: 'application/x-ndjson' } });
    expect(events.text).toContain(`"rows":[${row}]`);
  });

  test('groups have them too', async () => {
    const record = await read((await ask('/v1/queries', { mode: 'group' })).body.id);
    await tellGroup(record, ['sshd', 22]);
    await api.service.end(record);
    const group = { index: 0, endpoints: 2, copies: 2, row: { name: 'sshd', pid: 22 } };
    const path = `/v1/queries/${record.id}`;
    expect((await api.get(`${path}/rows?rows=objects`)).body.items).toMatchObject([group]);
    expect(JSON.parse((await api.get(`${path}/rows?rows=objects&format=ndjson`)).text)).toMatchObject(group);
  });
});

describe('waiting for the end', () => {
  test('the answer has the rows, the failures and the state', async () => {
    const { num, agentId } = await api.agent({ facts: { host: 'web-1' } });
    const answer = ask('/v1/queries?wait=30s', {});
    const record = await waitedFor();
    await tellRows(record, num, ['sshd', 22]);
    await api.service.emit(record, { t: 'failures', failures: [[num, 'timed_out', 'timeout', 'no answer']] });
    await api.service.end(record);
    const { status, body, headers } = await answer;
    expect([status, body.state, headers.get('location')]).toEqual([201, 'complete', `/v1/queries/${record.id}`]);
    expect(body.results).toMatchObject({
      rows: [{ agentId, host: 'web-1', row: { name: 'sshd', pid: 22 } }],
      failures: [{ agentId, outcome: 'timed_out' }],
    });
  });

  test('is over when the time is, with what there is by then', async () => {
    const { status, body } = await ask('/v1/queries?wait=50ms', {});
    expect([status, body.state, body.results]).toEqual([201, 'running', { rows: [], failures: [], warnings: [] }]);
    expect((await ask('/v1/queries', {})).body.results).toBeUndefined();
    expect((await ask('/v1/queries?wait=1d', {})).body.code).toBe('bad_timeout');
  });

  test('with a reduce the rows are those of the reduce', async () => {
    const answer = ask('/v1/queries?wait=30s', { reduce: 'SELECT count(*) AS n FROM rows' });
    const record = await waitedFor();
    await tellRows(record, 1, ['sshd', 22]);
    await api.service.emit(record, { t: 'reduced', columns: ['n'], rows: [[1]], truncated: false });
    await api.service.end(record);
    expect((await answer).body.results).toEqual({ rows: [{ row: { n: 1 } }], failures: [], warnings: [] });
  });
});

describe('lists are filtered', () => {
  const at = (ms: number): string => encodeURIComponent(new Date(ms).toISOString());
  const ids = async (path: string): Promise<string[]> =>
    (await api.get(path)).body.items.map(({ id }: { id: string }) => id);

  test('of queries, by operator and time', async () => {
    const { token, tokenId } = await api.token({ role: 'analyst', name: 'ann' });
    const first = (await ask('/v1/queries', {})).body;
    const second = (await api.ask('POST', '/v1/queries', { token, body: { sql: 'SELECT 2' } })).body;
    expect(await ids('/v1/queries?operator=ann')).toEqual([second.id]);
    expect(await ids(`/v1/queries?operator=${tokenId}`)).toEqual([second.id]);
    expect(await ids('/v1/queries?operator=nobody')).toEqual([]);
    const [one, other] = [Date.parse(first.createdAt), Date.parse(second.createdAt)];
    expect(await ids(`/v1/queries?since=${at(one)}&until=${at(other + 1)}`)).toHaveLength(2);
    expect(await ids(`/v1/queries?since=${at(other + 1)}`)).toEqual([]);
    expect(await ids(`/v1/queries?until=${at(one)}`)).toEqual([]);
    expect((await api.get('/v1/queries?since=yesterday')).status).toBe(400);
  });

  test('of commands, by operator and time', async () => {
    const { token } = await api.token({ role: 'responder', name: 'ben' });
    const kill = { action: 'process.kill', params: { name: 'abc.exe' }, target: { selector: '' } };
    await api.agent({ mode: 'live' });
    const first = (await api.ask('POST', '/v1/commands', { body: kill })).body;
    const second = (await api.ask('POST', '/v1/commands', { token, body: kill })).body;
    expect(await ids('/v1/commands?operator=ben')).toEqual([second.id]);
    expect(await ids('/v1/commands?operator=nobody')).toEqual([]);
    const [one, other] = [first.submittedAt, second.submittedAt].map(Date.parse) as [number, number];
    const both = await ids(`/v1/commands?since=${at(one)}&until=${at(other + 1)}`);
    expect(new Set(both)).toEqual(new Set([first.id, second.id]));
    expect(await ids(`/v1/commands?since=${at(other + 1)}`)).toEqual([]);
    expect(await ids(`/v1/commands?until=${at(one)}`)).toEqual([]);
  });
});
