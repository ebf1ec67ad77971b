import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { encodeCbor } from '@muster/protocol';
import { AnswerBlockWriter, type QueryRecord } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';
import type { QueryStore } from './query-store.js';

const script = fileURLToPath(new URL('../../../../docs/quickstart.py', import.meta.url));

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

/** The real script with the Python of this machine. */
async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { PATH: process.env['PATH'], MUSTER_API_URL: api.url, MUSTER_TOKEN: api.adminToken };
  return new Promise((resolve) => {
    execFile('python3', ['-B', script, ...args], { env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

test('the quick start has thirty lines, asks, prints rows, and names who did not answer', async () => {
  expect(readFileSync(script, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(30);
  const { num } = await api.agent({ facts: { host: 'web-1' } });
  const ran = run('SELECT name, pid FROM processes', 'os=linux');
  const id = await eventually(async () => (await api.get('/v1/queries')).body.items[0]?.id);
  const store = api.api.components['queries'] as unknown as QueryStore;
  const record = (await store.read('default' as never, id)) as QueryRecord;
  const block = new AnswerBlockWriter();
  block.add(num, Buffer.concat([encodeCbor(['sshd', 22]), encodeCbor(['cron', 7])]));
  await api.service.emit(record, { t: 'rows', answers: block.bytes() });
  await api.service.emit(record, { t: 'failures', failures: [[num, 'timed_out', 'timeout', 'no answer']] });
  await api.service.end(record);
  expect(await ran).toEqual({
    code: 3,
    out: 'web-1 {"name": "sshd", "pid": 22}\nweb-1 {"name": "cron", "pid": 7}\n',
    err: 'web-1 timed_out no answer\n',
  });
});

test('rows of a search that was not finished are no whole answer, and it says so', async () => {
  const { num } = await api.agent({ facts: { host: 'web-1' } });
  const ran = run('SELECT name, pid FROM processes');
  const id = await eventually(async () => (await api.get('/v1/queries')).body.items[0]?.id);
  const store = api.api.components['queries'] as unknown as QueryStore;
  const record = (await store.read('default' as never, id)) as QueryRecord;
  await api.service.emit(record, { t: 'warnings', warnings: [[num, 'over_time', 1, 'not finished']] });
  await api.service.end(record, { warned: 1, unfinished: 1 });
  expect(await ran).toEqual({ code: 3, out: '', err: 'web-1 over_time not finished\n' });
  const { items } = (await api.get(`/v1/queries/${id}/warnings`)).body;
  expect(items).toEqual([
    { num, agentId: expect.any(String), host: 'web-1', code: 'over_time', count: 1, message: 'not finished' },
  ]);
  expect((await api.get(`/v1/queries/${id}`)).body).toMatchObject({ warned: 1, unfinished: 1 });
});

test('a refusal is its code and text', async () => {
  const answer = { t: 'problem', code: 'sql_error', message: 'no such table: nope', details: {} } as const;
  api.service.answer = () => answer;
  expect(await run('SELECT * FROM nope')).toMatchObject({ code: 1, err: 'sql_error: no such table: nope\n' });
});
