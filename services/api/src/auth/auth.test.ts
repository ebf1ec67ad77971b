import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { hashOperatorToken, mintOperatorToken } from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

describe('credentials', () => {
  test('of the bootstrap token have the role admin', async () => {
    expect((await api.get('/v1/me')).body).toMatchObject({ id: 'bootstrap', org: 'default', role: 'admin' });
  });

  test.each([
    ['none', undefined, 'unauthenticated'],
    ['another scheme', 'Basic dXNlcjpwYXNz', 'unauthenticated'],
    ['nothing after Bearer', 'Bearer ', 'unauthenticated'],
    ['a token that was never given out', `Bearer ${mintOperatorToken().token}`, 'unauthenticated'],
    ['a token with a slip', `Bearer mst_${'a'.repeat(16)}_${'b'.repeat(59)}`, 'unauthenticated'],
    ['something that is no token', 'Bearer hello', 'unauthenticated'],
    ['two tokens', 'Bearer a b', 'unauthenticated'],
    ['a huge one', `Bearer ${'x'.repeat(9_000)}`, 'unauthenticated'],
    ['an unsigned JWT', 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.', 'unauthenticated'],
  ])('%s are refused', async (_what, authorization, code) => {
    const answer = await api.get('/v1/me', {
      token: null,
      headers: authorization === undefined ? {} : { authorization },
    });
    expect([answer.status, answer.body.code, answer.headers.get('www-authenticate')]).toEqual([
      401,
      code,
      'Bearer realm="muster"',
    ]);
    expect((await api.audit()).at(-1)).toMatchObject({
      actor: 'unknown',
      outcome: 'refused',
      code,
      from: '127.0.0.1',
      action: 'me.show',
    });
  });

  test('that have expired or were revoked are refused', async () => {
    const expired = await api.token({ role: 'viewer', expiresAtMs: Date.now() - 1 });
    expect((await api.get('/v1/me', { token: expired.token })).body.code).toBe('token_expired');
    const { token, tokenId } = await api.token({ role: 'viewer' });
    expect((await api.ask('DELETE', `/v1/tokens/${tokenId}`)).status).toBe(204);
    expect((await api.get('/v1/me', { token })).body.code).toBe('unauthenticated');
    expect((await api.ask('DELETE', `/v1/tokens/${tokenId}`)).status).toBe(204);
  });

  test('with a selector that cannot be parsed are refused, not unbounded', async () => {
    const { token } = mintOperatorToken();
    const tokenId = token.slice(4, 20);
    await api.connection.streams.append(
      `muster.v1.token.default.${tokenId}`,
      (await import('@muster/records')).encodeRecord({
        tokenId,
        org: 'default' as OrgId,
        name: 'x',
        role: 'admin',
        hash: hashOperatorToken(token),
        selector: 'os in (',
        createdBy: 'x',
        createdAtMs: 1,
      }),
    );
    await eventually(async () => (await api.get('/v1/me', { token })).body.detail.includes('selector'));
  });
});

describe('roles', () => {
  const CALLS: readonly (readonly [method: string, path: string, least: string, body?: unknown])[] = [
    ['GET', '/v1/queries', 'viewer'],
    ['GET', '/v1/agents', 'viewer'],
    ['GET', '/v1/tables', 'viewer'],
    ['POST', '/v1/queries', 'analyst', { sql: 'SELECT 1' }],
    ['GET', '/v1/actions', 'viewer'],
    ['GET', '/v1/commands', 'viewer'],
    ['GET', `/v1/commands/c${'0'.repeat(26)}/events`, 'viewer'],
    ['POST', '/v1/commands', 'responder', { action: 'dns.flush', target: { selector: '' } }],
    ['POST', '/v1/commands/plan', 'responder', { action: 'dns.flush', target: { selector: '' } }],
    ['DELETE', `/v1/commands/c${'0'.repeat(26)}`, 'responder'],
    ['POST', `/v1/commands/c${'0'.repeat(26)}/approve`, 'responder', {}],
    ['POST', `/v1/commands/c${'0'.repeat(26)}/undo`, 'responder', {}],
    ['GET', '/v1/audit/chain', 'admin'],
    ['GET', '/v1/audit/journal', 'admin'],
    ['POST', '/v1/agents/labels', 'responder', { selector: 'os=none', set: { a: 'b' } }],
    ['GET', '/v1/tokens', 'admin'],
    ['POST', '/v1/tokens', 'admin', { name: 'x', role: 'viewer' }],
    ['GET', '/v1/audit', 'admin'],
  ];
  const ROLES = ['viewer', 'analyst', 'responder', 'admin'] as const;

  test.each(ROLES)('a %s may do what the table says, and nothing else', async (role) => {
    const { token } = await api.token({ role });
    for (const [method, path, least, body] of CALLS) {
      const { status } = await api.ask(method, path, { token, ...(body === undefined ? {} : { body }) });
      const allowed = ROLES.indexOf(role) >= ROLES.indexOf(least as never);
      expect([method, path, status === 403]).toEqual([method, path, !allowed]);
    }
    if (role === 'viewer') {
      expect((await api.audit()).filter(({ code }) => code === 'forbidden').map(({ action }) => action)).toContain(
        'query.start',
      );
    }
  });
});

describe('bounds', () => {
  test('of a token apply to every query, and hide endpoints outside', async () => {
    const inside = await api.agent({ labels: { env: 'prod' }, facts: { host: 'in' } });
    const outside = await api.agent({ labels: { env: 'dev' }, facts: { host: 'out' } });
    const { token } = await api.token({ role: 'admin', selector: 'env=prod' });
    expect((await api.get('/v1/agents', { token })).body.items.map(({ host }: { host: string }) => host)).toEqual([
      'in',
    ]);
    expect((await api.get('/v1/agents?counts=env', { token })).body.counts).toMatchObject({
      total: 1,
      labels: { env: { prod: 1 } },
    });
    expect((await api.get(`/v1/agents/${inside.agentId}`, { token })).status).toBe(200);
    expect((await api.get(`/v1/agents/${outside.agentId}`, { token })).body.code).toBe('not_found');
    const started = await api.ask('POST', '/v1/queries', { token, body: { sql: 'SELECT 1', selector: 'os=linux' } });
    expect(started.body.scope).toBe('os=linux,env=prod');
    expect(api.service.asked.at(-1)).toMatchObject({ t: 'start', selector: 'os=linux', bound: 'env=prod' });
    const labelled = await api.ask('POST', '/v1/agents/labels', { token, body: { selector: '', set: { x: 'y' } } });
    expect(labelled.body).toMatchObject({ matched: 1, changed: 1 });
    expect(
      (await api.ask('PATCH', `/v1/agents/${outside.agentId}/labels`, { token, body: { set: { x: 'y' } } })).status,
    ).toBe(404);
    expect(
      (await api.ask('POST', `/v1/agents/${outside.agentId}/revoke`, { token, body: { reason: 'x' } })).status,
    ).toBe(404);
  });

  test('hide the queries of others, in lists and by id', async () => {
    const foreign = (await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } })).body.id;
    const { token } = await api.token({ role: 'analyst', selector: 'env=prod' });
    const own = (await api.ask('POST', '/v1/queries', { token, body: { sql: 'SELECT 2' } })).body.id;
    expect((await api.get('/v1/queries', { token })).body.items.map(({ id }: { id: string }) => id)).toEqual([own]);
    for (const path of ['', '/events', '/rows', '/endpoints']) {
      expect((await api.get(`/v1/queries/${foreign}${path}`, { token })).body.code).toBe('not_found');
    }
    expect((await api.ask('DELETE', `/v1/queries/${foreign}`, { token })).status).toBe(404);
    expect((await api.ask('POST', `/v1/queries/${foreign}/reduce`, { token, body: { sql: 'SELECT 1' } })).status).toBe(
      404,
    );
  });

  test('are inherited by tokens that the principal makes; they manage no others', async () => {
    const { token, tokenId } = await api.token({ role: 'admin', selector: 'env=prod' });
    const made = await api.ask('POST', '/v1/tokens', {
      token,
      body: { name: 'child', role: 'viewer', selector: 'os=linux' },
    });
    expect(made.body.selector).toBe('os=linux,env=prod');
    expect((await api.get('/v1/tokens', { token })).body.items.map(({ name }: { name: string }) => name)).toEqual([
      'child',
    ]);
    expect((await api.ask('DELETE', `/v1/tokens/${tokenId}`, { token })).status).toBe(404);
    expect(
      (await api.get('/v1/audit', { token })).body.items.every(({ actor }: { actor: string }) => actor === tokenId),
    ).toBe(true);
  });

  test('of an org hide everything of other orgs', async () => {
    const { agentId } = await api.agent();
    const query = (await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } })).body.id;
    const { token } = await api.token({ role: 'admin', org: 'other' as OrgId });
    expect((await api.get('/v1/agents', { token })).body.items).toEqual([]);
    expect((await api.get(`/v1/agents/${agentId}`, { token })).status).toBe(404);
    expect((await api.get(`/v1/queries/${query}`, { token })).status).toBe(404);
    expect((await api.get('/v1/queries', { token })).body.items).toEqual([]);
    expect((await api.get('/v1/audit', { token })).body.items).toEqual([]);
  });
});

describe('rate limits', () => {
  test('of a principal answer 429 with Retry-After, and do not affect others', async () => {
    await api.stop();
    api = await ApiFixture.start({ requestRate: 1, requestBurst: 5 });
    const answers = await Promise.all(Array.from({ length: 10 }, () => api.get('/v1/me')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBe(5);
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect((await api.audit()).filter(({ code }) => code === 'rate_limited')).toHaveLength(5);
    const { token } = await api.token({ role: 'viewer' });
    expect((await api.get('/v1/me', { token })).status).toBe(200);
  });

  test('of failures from one address do not lock out a valid token, and bound the audit record', async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, () => api.get('/v1/me', { token: 'nope' })));
    expect(answers.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(60);
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(130);
    expect((await api.get('/v1/me')).status).toBe(200);
    expect((await api.audit()).length).toBeLessThan(150);
    const text = await api.metrics.registry.metrics();
    expect(text).toContain('muster_api_auth_failures_total{reason="malformed"} 200');
  });
});

test('the use of a token is recorded, at most once a minute', async () => {
  const { token, tokenId } = await api.token({ role: 'viewer' });
  for (let i = 0; i < 5; i += 1) await api.get('/v1/me', { token });
  await eventually(
    async () => ((await api.get('/v1/tokens')).body.items[0] as { lastUsedAt?: string }).lastUsedAt !== undefined,
  );
  const entry = await api.connection.streams.last('MUSTER_TOKENS', `muster.v1.token.default.${tokenId}`);
  // The record itself, and one recorded use.
  expect(entry?.seq).toBe(2);
});
