import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { encodeCbor, type OrgId } from '@muster/protocol';
import { AnswerBlockWriter, encodeNumberSet, STREAM_SUBJECTS, STREAMS, type QueryRecord } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';
import type { QueryStore } from './query-store.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
  api.service.columns = ['name'];
});
afterEach(() => api.stop());

/** A query of this operator with one row. */
async function asked(token: string, sql: string): Promise<QueryRecord> {
  const { id } = (await api.ask('POST', '/v1/queries', { token, body: { sql } })).body;
  const record = await (api.api.components['queries'] as unknown as QueryStore).read('default' as OrgId, id);
  return record as QueryRecord;
}

async function end(record: QueryRecord, secret: string): Promise<void> {
  const block = new AnswerBlockWriter();
  block.add(1, encodeCbor([secret]));
  const changes = { targeted: encodeNumberSet([1]) };
  await api.service.emit(record, { t: 'rows', answers: block.bytes(), changes });
  await api.service.end(record, { ledger: { ...record.ledger, targeted: 1, answered: 1 }, rows: 1 });
}

const remove = (id: string, token: string) => api.ask('DELETE', `/v1/queries/${id}/results`, { token });

test('results are deleted for good, by who asked or an admin, with an audit record; all else stays', async () => {
  const ann = (await api.token({ role: 'analyst' })).token;
  const bob = (await api.token({ role: 'responder' })).token;
  const [first, second] = [await asked(ann, 'SELECT 1'), await asked(ann, 'SELECT 2')];
  expect((await remove(first.id, ann)).body).toMatchObject({ code: 'conflict' });
  await end(first, 'a secret');
  await end(second, 'another');
  expect((await remove(first.id, bob)).status).toBe(403);
  expect((await api.get(`/v1/queries/${first.id}/rows`)).text).toContain('a secret');
  expect((await remove(first.id, ann)).status).toBe(204);
  for (const path of ['rows', 'rows?format=ndjson', 'endpoints'])
    expect((await api.get(`/v1/queries/${first.id}/${path}`)).body.code).toBe('results_expired');
  expect((await api.get(`/v1/queries/${first.id}/events`)).text).not.toContain('a secret');
  const subject = STREAM_SUBJECTS.result('default' as OrgId, first.id);
  expect(await api.connection.streams.last(STREAMS.results.name, subject)).toBeUndefined();
  expect((await api.get(`/v1/queries/${first.id}`)).body).toMatchObject({
    state: 'complete',
    sql: 'SELECT 1',
    rows: 1,
  });
  expect((await api.get(`/v1/queries/${second.id}/rows`)).text).toContain('another');
  // Again is no fault: a deletion that broke off is finished so.
  expect((await remove(first.id, ann)).status).toBe(204);
  expect((await remove(second.id, api.adminToken)).status).toBe(204);
  await eventually(async () => {
    const records = (await api.audit()).filter(({ action }) => action === 'query.delete_results');
    expect(records.map(({ outcome, subject: about }) => [outcome, about])).toEqual([
      ['refused', first.id],
      ['refused', first.id],
      ['allowed', first.id],
      ['allowed', first.id],
      ['allowed', second.id],
    ]);
    return true;
  });
});

test('a deletion is recorded before anything is deleted: a process that dies meanwhile leaves none without a record', async () => {
  const { token } = await api.token({ role: 'analyst' });
  const record = await asked(token, 'SELECT 1');
  await end(record, 'a secret');
  const { streams } = api.connection;
  const purge = streams.purge.bind(streams);
  let recorded: unknown;
  streams.purge = async (...args) => {
    recorded = (await api.audit()).find(({ action }) => action === 'query.delete_results');
    return await purge(...args);
  };
  expect((await remove(record.id, token)).status).toBe(204);
  expect(recorded).toMatchObject({ outcome: 'allowed', subject: record.id, details: { sql: 'SELECT 1', rows: 1 } });
  expect((await api.audit()).filter(({ action }) => action === 'query.delete_results')).toHaveLength(1);
});
