import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import type { QueryRecord, Role } from '@muster/records';
import { checkTableAccess } from '@muster/tables';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import { parseTableRules, TablePolicy, type TableRule } from './table-policy.js';

const SECRET_SQL = 'SELECT value FROM process_envs';
const policyOf = (text: string) => new TablePolicy(parseTableRules(text) as readonly TableRule[]);
const who = (role: Role, org = 'acme') => ({ role, org: org as OrgId });

describe('the policy', () => {
  test('lets admins ask everything, and nobody else, unless it is told otherwise', () => {
    const policy = new TablePolicy();
    expect(policy.allowed(who('admin'))).toEqual(['personal', 'secret']);
    for (const role of ['viewer', 'analyst', 'responder'] as const) expect(policy.allowed(who(role))).toEqual([]);
  });

  test('an org’s own rule counts before the general one', () => {
    const policy = policyOf('personal=analyst, acme/personal=nobody,acme/secret=responder');
    expect(policy.allowed(who('analyst', 'other'))).toEqual(['personal']);
    expect(policy.allowed(who('admin', 'other'))).toEqual(['personal', 'secret']);
    expect(policy.allowed(who('admin'))).toEqual(['secret']);
    expect(policy.allowed(who('analyst'))).toEqual([]);
  });

  test.each([
    '',
    'secret',
    'secret=root',
    'other=admin',
    'A/secret=admin',
    'secret=admin,secret=viewer',
    '/secret=admin',
  ])('the setting %j is refused with a reason', (text) => expect(typeof parseTableRules(text)).toBe('string'));
});

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
  // The check of a query service: of this version, and its answer to a compilation.
  api.service.answer = (request) => {
    if (request.t !== 'start' && request.t !== 'compile') return undefined;
    const tables = /from process_envs/i.test(request.sql) ? ['process_envs'] : ['processes'];
    if (request.t === 'compile') return { t: 'compiled', columns: [], tables };
    try {
      checkTableAccess(tables, request.sensitivities ?? []);
      return undefined;
    } catch (error) {
      const { code, message, details } = error as { code: 'table_forbidden'; message: string; details: object };
      return { t: 'problem', code, message, details: { ...details } };
    }
  };
});
afterEach(() => api.stop());

const ask = (sql: string, token?: string) =>
  api.ask('POST', '/v1/queries', { body: { sql }, ...(token === undefined ? {} : { token }) });
const started = () => api.service.asked.filter(({ t }) => t === 'start');

describe('a table that may hold secrets', () => {
  test('is refused to an analyst with its name, which the audit has; an admin may ask it', async () => {
    const { token } = await api.token({ role: 'analyst' });
    const answer = await ask(SECRET_SQL, token);
    expect([answer.status, answer.body.code, answer.body.tables]).toEqual([403, 'table_forbidden', ['process_envs']]);
    expect(await ask(SECRET_SQL)).toMatchObject({ status: 201 });
    expect(await api.audit()).toMatchObject([
      { outcome: 'refused', code: 'table_forbidden', details: { sql: SECRET_SQL, tables: ['process_envs'] } },
      { outcome: 'allowed', actor: 'bootstrap' },
    ]);
  });

  test('is refused also where the query service is of the version before and checks nothing', async () => {
    const { token } = await api.token({ role: 'responder' });
    const { answer } = api.service;
    api.service.answer = (request) => (request.t === 'compile' ? answer(request) : undefined);
    expect(await ask(SECRET_SQL, token)).toMatchObject({ status: 403, body: { code: 'table_forbidden' } });
    expect(started()).toEqual([]);
    expect(await ask("SELECT pid FROM processes WHERE cmdline LIKE '%process_envs%'", token)).toMatchObject({
      status: 201,
    });
    expect(started()).toMatchObject([{ sensitivities: [] }]);
  });
});

describe('what was answered for an admin from a table that may hold secrets', () => {
  async function keep(change: Partial<QueryRecord>): Promise<QueryRecord> {
    const { body } = await ask('SELECT 1');
    const path = api.connection.streams;
    const { STREAM_SUBJECTS, decodeQueryRecord } = await import('@muster/records');
    const entry = await path.last('MUSTER_QUERIES', STREAM_SUBJECTS.query(ORG, body.id));
    const record = { ...decodeQueryRecord<QueryRecord>(entry?.data ?? new Uint8Array()), ...change };
    await api.service.end(record, change);
    return record;
  }

  const reads = (id: string) =>
    [
      ['GET', `/v1/queries/${id}/rows`],
      ['GET', `/v1/queries/${id}/rows?format=csv`],
      ['GET', `/v1/queries/${id}/rows?format=ndjson`],
      ['GET', `/v1/queries/${id}/endpoints`],
      ['GET', `/v1/queries/${id}/events`],
      ['POST', `/v1/queries/${id}/reduce`, { sql: 'SELECT * FROM rows' }],
    ] as const;

  test.each([
    ['as the record says', { sql: 'SELECT 1', tables: ['process_envs'] }],
    ['as the text of a query of the version before says', { sql: 'SELECT * FROM Process_Envs' }],
  ])('is not for a viewer or responder: %s', async (_why, change) => {
    const { id } = await keep(change);
    for (const role of ['viewer', 'responder'] as const) {
      const { token } = await api.token({ role });
      for (const [method, path, body] of reads(id))
        expect([path, (await api.ask(method, path, { token, body })).body?.code]).toEqual([path, 'table_forbidden']);
      expect((await api.get(`/v1/queries/${id}`, { token })).status).toBe(200);
    }
    const { token } = await api.token({ role: 'responder' });
    const command = { action: 'process.kill', params: {}, target: { query: id } };
    expect((await api.ask('POST', '/v1/commands', { token, body: command })).body.code).toBe('table_forbidden');
    for (const [method, path, body] of reads(id)) expect((await api.ask(method, path, { body })).status).toBe(200);
  });

  test('other answers are for all', async () => {
    const { id } = await keep({ sql: "SELECT 'process_envs'", tables: ['processes'] });
    const { token } = await api.token({ role: 'viewer' });
    expect((await api.get(`/v1/queries/${id}/rows`, { token })).status).toBe(200);
  });
});
