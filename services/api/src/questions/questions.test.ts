import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import { STREAM_SUBJECTS, STREAMS } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import { MAX_DELETED, type QuestionStore } from './question-store.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const SQL = 'SELECT pid FROM listening_ports WHERE port = :port';
const WHOLE = {
  sql: SQL,
  description: 'Who listens here?',
  tags: ['network', 'triage'],
  parameters: [{ name: 'port', type: 'integer', default: 22, description: 'the port' }],
  target: 'os=linux',
  mode: 'group',
  reduce: 'SELECT count(*) FROM rows',
  timeoutMs: 60_000,
};

const put = (name: string, body: object, token?: string) =>
  api.ask('PUT', `/v1/questions/${name}`, { body, ...(token === undefined ? {} : { token }) });

test('a question is kept whole, read by viewers, changed by version, deleted, and each change is audited', async () => {
  const made = await put('ports', { version: 0, ...WHOLE });
  expect(made).toMatchObject({ status: 201, body: { ...WHOLE, name: 'ports', version: 1 } });
  expect(made.headers.get('location')).toBe('/v1/questions/ports');
  const { token } = await api.token({ role: 'viewer' });
  expect((await api.get('/v1/questions/ports', { token })).body).toEqual(made.body);
  expect((await put('ports', { version: 1, ...WHOLE, tags: [] })).body).toMatchObject({ version: 2, tags: [] });
  // Nothing differs: no version.
  expect(await put('ports', { version: 2, ...WHOLE, tags: [] })).toMatchObject({ status: 200, body: { version: 2 } });
  expect((await api.get('/v1/questions?tag=network', { token })).body.items).toEqual([]);
  expect((await api.ask('DELETE', '/v1/questions/ports?version=1')).status).toBe(409);
  expect((await api.ask('DELETE', '/v1/questions/ports?version=2')).status).toBe(204);
  expect((await api.get('/v1/questions/ports', { token })).status).toBe(404);
  const { items } = (await api.get('/v1/questions/ports/versions', { token })).body;
  expect(items.map((one: { version: number }) => one.version)).toEqual([3, 2, 1]);
  expect(items[0]).toMatchObject({ deleted: true, sql: '' });
  // A name that is used again goes on counting, so that no version means two things.
  expect((await put('ports', { version: 0, sql: 'SELECT 1' })).body).toMatchObject({ version: 4 });
  await eventually(async () => {
    const records = (await api.audit()).filter(({ action }) => action.startsWith('question.'));
    expect(records.map(({ action, subject, outcome, details }) => [action, subject, outcome, details])).toEqual([
      ['question.put', 'ports', 'allowed', { version: 1 }],
      ['question.put', 'ports', 'allowed', { version: 2 }],
      ['question.put', 'ports', 'allowed', { version: 2 }],
      ['question.delete', 'ports', 'refused', undefined],
      ['question.delete', 'ports', 'allowed', { version: 2 }],
      ['question.put', 'ports', 'allowed', { version: 4 }],
    ]);
    return true;
  });
});

describe('two editors of one question', () => {
  test('the second is refused and told who was first', async () => {
    await put('ports', { version: 0, sql: SQL });
    const { token } = await api.token({ role: 'admin', name: 'eve' });
    expect((await put('ports', { version: 1, sql: 'SELECT 1' }, token)).status).toBe(200);
    const late = await put('ports', { version: 1, sql: 'SELECT 2' });
    expect(late).toMatchObject({ status: 409, body: { code: 'conflict', version: 2, changedBy: { name: 'eve' } } });
    expect(late.body.detail).toContain('is at version 2, by eve');
    expect((await put('ports', { version: 0, sql: 'SELECT 2' })).status).toBe(409);
    expect((await api.get('/v1/questions/ports')).body.sql).toBe('SELECT 1');
    await api.ask('DELETE', '/v1/questions/ports', { token });
    expect((await put('ports', { version: 2, sql: 'SELECT 2' })).body.detail).toContain('was deleted by eve');
  });

  test('of twenty at once, over two processes, one wins', async () => {
    const other = await api.second();
    try {
      await put('ports', { version: 0, sql: SQL });
      const all = Array.from({ length: 20 }, (_, i) =>
        (i % 2 === 0 ? api : other).ask('PUT', '/v1/questions/ports', {
          token: api.adminToken,
          body: { version: 1, sql: `SELECT ${i}` },
        }),
      );
      const statuses = (await Promise.all(all)).map(({ status }) => status);
      expect(statuses.toSorted((a, b) => a - b)).toEqual([200, ...Array<number>(19).fill(409)]);
      expect((await api.get('/v1/questions/ports')).body.version).toBe(2);
    } finally {
      await other.stop();
    }
  });

  test('a version that another process has made a moment ago counts', async () => {
    const other = await api.second();
    try {
      await put('ports', { version: 0, sql: SQL });
      const second = await other.ask('PUT', '/v1/questions/ports', {
        token: api.adminToken,
        body: { version: 1, sql: 'SELECT 1' },
      });
      expect(second.body).toMatchObject({ version: 2 });
      expect((await put('ports', { version: 2, sql: 'SELECT 2' })).body).toMatchObject({ version: 3 });
    } finally {
      await other.stop();
    }
  });
});

describe('who may', () => {
  test('analysts write their own, admins all, viewers none; a new token of the same person is no stranger', async () => {
    const ann = await api.token({ role: 'analyst', creator: 'oidc:i ann' });
    const again = await api.token({ role: 'analyst', creator: 'oidc:i ann' });
    const bob = await api.token({ role: 'responder', creator: 'oidc:i bob' });
    const viewer = await api.token({ role: 'viewer' });
    expect((await put('hers', { version: 0, sql: 'SELECT 1' }, viewer.token)).status).toBe(403);
    expect((await put('hers', { version: 0, sql: 'SELECT 1' }, ann.token)).status).toBe(201);
    expect((await put('hers', { version: 1, sql: 'SELECT 2' }, bob.token)).body.detail).toContain('belongs to');
    expect((await api.ask('DELETE', '/v1/questions/hers', { token: bob.token })).status).toBe(403);
    expect((await put('hers', { version: 1, sql: 'SELECT 2' }, again.token)).status).toBe(200);
    expect((await put('hers', { version: 2, sql: 'SELECT 3' })).body).toMatchObject({ owner: { id: ann.tokenId } });
    expect((await api.ask('DELETE', '/v1/questions/hers', { token: ann.token })).status).toBe(204);
  });

  test('an admin whom a selector bounds writes only their own', async () => {
    const bounded = await api.token({ role: 'admin', selector: 'site=one' });
    await put('shared', { version: 0, sql: 'SELECT 1' });
    expect((await put('shared', { version: 1, sql: 'SELECT 2' }, bounded.token)).status).toBe(403);
    expect((await put('own', { version: 0, sql: 'SELECT 2' }, bounded.token)).status).toBe(201);
  });

  test('an org has its own library, also under the same name', async () => {
    const { token } = await api.token({ role: 'admin', org: 'other' as OrgId });
    await put('ports', { version: 0, sql: 'SELECT 1' });
    expect((await api.get('/v1/questions/ports', { token })).status).toBe(404);
    expect((await api.get('/v1/questions', { token })).body.items).toEqual([]);
    expect((await put('ports', { version: 1, sql: 'SELECT 2' }, token)).status).toBe(404);
    expect((await put('ports', { version: 0, sql: 'SELECT 2' }, token)).body).toMatchObject({ version: 1 });
    expect((await api.get('/v1/questions/ports')).body).toMatchObject({ sql: 'SELECT 1' });
  });
});

describe('hostile', () => {
  test.each([
    ['a name', 'a.b', { sql: 'SELECT 1' }, 400],
    ['a name with a star', '%2A', { sql: 'SELECT 1' }, 400],
    ['__proto__', '__proto__', { sql: 'SELECT 1' }, 400],
    ['control characters', 'x', { sql: 'SELECT 1', description: 'a\u001b[2Jb' }, 400],
    ['half of a character', 'x', { sql: 'SELECT 1', description: '\ud800' }, 400],
    ['NUL in the SQL', 'x', { sql: 'SELECT \0' }, 422],
    ['SQL without end', 'x', { sql: `SELECT ${'1'.repeat(70_000)}` }, 422],
    ['a selector that is none', 'x', { sql: 'SELECT 1', target: 'a==(' }, 400],
    [
      'a default of another type',
      'x',
      { sql: 'SELECT 1', parameters: [{ name: 'a', type: 'integer', default: 'b' }] },
      400,
    ],
    [
      'a parameter twice',
      'x',
      {
        sql: 'SELECT 1',
        parameters: [
          { name: 'a', type: 'text' },
          { name: 'a', type: 'text' },
        ],
      },
      400,
    ],
    ['a tag that is a line', 'x', { sql: 'SELECT 1', tags: ['a\nb'] }, 400],
    ['a timeout that is none', 'x', { sql: 'SELECT 1', timeoutMs: 1 }, 400],
    ['an unknown member', 'x', { sql: 'SELECT 1', owner: 'me' }, 400],
  ])('%s is refused', async (_, name, body, status) => {
    const answer = await put(name, { version: 0, ...body });
    expect([answer.status, answer.body.code]).toEqual([status, expect.any(String)]);
    expect((await api.get('/v1/questions')).body.items).toEqual([]);
  });

  test('text that looks like code comes back as it was given', async () => {
    const text = `'; DROP TABLE rows; -- target: os=linux <script>alert(1)</script> =cmd|' /C calc'!A0`;
    await put('hostile', { version: 0, sql: `SELECT '${text}'`, description: text });
    expect((await api.get('/v1/questions/hostile')).body).toMatchObject({ sql: `SELECT '${text}'`, description: text });
  });
});

test('pages are in the order of names', async () => {
  for (const name of ['c', 'a', 'b']) await put(name, { version: 0, sql: 'SELECT 1' });
  const first = (await api.get('/v1/questions?limit=2')).body;
  const second = (await api.get(`/v1/questions?limit=2&cursor=${first.nextCursor}`)).body;
  expect([...first.items, ...second.items].map(({ name }: { name: string }) => name)).toEqual(['a', 'b', 'c']);
  expect(second.nextCursor).toBeUndefined();
});

test('names of deleted questions do not pile up: the oldest are dropped with all their versions', async () => {
  for (let i = 0; i <= MAX_DELETED; i += 1) {
    await put(`n${i}`, { version: 0, sql: 'SELECT 1' });
    await api.ask('DELETE', `/v1/questions/n${i}`);
  }
  const last = (name: string) =>
    api.connection.streams.last(STREAMS.questions.name, STREAM_SUBJECTS.question(ORG, name));
  expect([await last('n0'), (await last('n1')) === undefined]).toEqual([undefined, false]);
  expect((await api.get('/v1/questions/n0/versions')).status).toBe(404);
  // A process that still knows the dropped name is not in the way.
  const store = api.api.components['questions'] as unknown as QuestionStore;
  expect(await store.read(ORG, 'n0')).toBeUndefined();
  expect((await put('n0', { version: 0, sql: 'SELECT 1' })).body).toMatchObject({ version: 1 });
});
