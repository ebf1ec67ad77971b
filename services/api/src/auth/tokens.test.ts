import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ReadOptions, StreamStore } from '@muster/bus';
import type { OperatorTokenRecord } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import { TokenStore } from './token-store.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const create = (body: object, headers = {}) => api.ask('POST', '/v1/tokens', { body, headers });

test('a token is shown once, works at once, and its secret is stored nowhere', async () => {
  const made = await create({ name: 'siem', role: 'analyst', selector: 'env=prod', expiresIn: '90d' });
  expect(made.status).toBe(201);
  expect(made.body.token).toMatch(/^mst_/);
  expect((await api.get('/v1/me', { token: made.body.token })).body).toMatchObject({
    name: 'siem',
    role: 'analyst',
    selector: 'env=prod',
  });
  const list = await api.get('/v1/tokens');
  expect(list.body.items).toMatchObject([
    { tokenId: made.body.tokenId, name: 'siem', state: 'active', createdBy: 'bootstrap' },
  ]);
  expect(list.text).not.toContain(made.body.token.slice(21));
  expect(list.text).not.toContain('hash');
  const secret = made.body.token.slice(21, 60);
  for (const stream of ['MUSTER_TOKENS', 'MUSTER_AUDIT', 'MUSTER_IDEMPOTENCY']) {
    for await (const { data } of api.connection.streams.read(stream))
      expect(Buffer.from(data).includes(secret)).toBe(false);
  }
});

test('a repeat under the same idempotency key makes no second token, and does not show the secret again', async () => {
  const headers = { 'idempotency-key': 'once' };
  const first = await create({ name: 'x', role: 'viewer' }, headers);
  const second = await create({ role: 'viewer', name: 'x' }, headers);
  expect([second.status, second.body.tokenId, second.body.token]).toEqual([201, first.body.tokenId, undefined]);
  expect((await api.get('/v1/tokens')).body.items).toHaveLength(1);
});

test.each([
  [{ role: 'viewer' }],
  [{ name: '', role: 'viewer' }],
  [{ name: 'a\nb', role: 'viewer' }],
  [{ name: 'x', role: 'root' }],
  [{ name: 'x', role: 'viewer', expiresIn: 'soon' }],
  [{ name: 'x', role: 'viewer', expiresIn: '0' }],
  [{ name: 'x', role: 'viewer', expiresIn: '100000d' }],
  [{ name: 'x', role: 'viewer', expiresAt: '2001-01-01T00:00:00Z' }],
  [{ name: 'x', role: 'viewer', expiresAt: 'tomorrow' }],
  [{ name: 'x', role: 'viewer', expiresIn: '1d', expiresAt: '2999-01-01T00:00:00Z' }],
])('%j is refused', async (body) => {
  const answer = await create(body);
  expect([answer.status, answer.body.code]).toEqual([400, 'bad_request']);
});

test('a bound that cannot be parsed is bad_selector', async () => {
  expect((await create({ name: 'x', role: 'viewer', selector: 'a b' })).body.code).toBe('bad_selector');
});

test('lists in pages, and revokes only existing tokens', async () => {
  for (const name of ['a', 'b', 'c']) await create({ name, role: 'viewer' });
  const first = (await api.get('/v1/tokens?limit=2')).body;
  const second = (await api.get(`/v1/tokens?limit=2&cursor=${first.nextCursor}`)).body;
  expect([...first.items, ...second.items].map(({ name }: { name: string }) => name).toSorted()).toEqual([
    'a',
    'b',
    'c',
  ]);
  expect((await api.ask('DELETE', `/v1/tokens/${'a'.repeat(16)}`)).body.code).toBe('not_found');
  expect((await api.ask('DELETE', '/v1/tokens/x')).body.code).toBe('bad_request');
  expect((await api.ask('DELETE', `/v1/tokens/${first.items[0].tokenId}`)).status).toBe(204);
  expect((await api.audit()).at(-1)).toMatchObject({
    action: 'token.revoke',
    outcome: 'allowed',
    subject: first.items[0].tokenId,
  });
});

describe('what another process made', () => {
  const record: OperatorTokenRecord = {
    ...{ tokenId: 'made-elsewhere', org: ORG, hash: 'x', role: 'viewer', name: 'n', createdBy: 'bootstrap' },
    ...{ createdAtMs: 1, expiresAtMs: 2 ** 42 },
  };
  /** A store to whose reader entries come once they may. */
  const behind = async () => {
    const { streams } = api.connection;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let isHeld = false;
    const store = new TokenStore({
      logger: silentLogger,
      streams: {
        last: streams.last.bind(streams),
        newestSeq: (stream: string) => (isHeld ? streams.newestSeq(stream) : Promise.resolve(0)),
        read: async function* (stream: string, options: ReadOptions) {
          for await (const entry of streams.read(stream, options)) {
            if (isHeld) await released;
            yield entry;
          }
        },
      } as unknown as StreamStore,
    });
    await store.start();
    isHeld = true;
    return { store, release };
  };

  test('a moment ago is looked up before it is called unknown', async () => {
    const { store, release } = await behind();
    await new TokenStore({ streams: api.connection.streams, logger: silentLogger }).create(record);
    expect(store.find('made-elsewhere')).toBeUndefined();
    const found = store.lookUp('made-elsewhere');
    release();
    expect(await found).toEqual(record);
    expect(await store.lookUp('never-made')).toBeUndefined();
    await store.stop();
  });

  test('is not called unknown while it cannot be read', async () => {
    const { store } = await behind();
    await new TokenStore({ streams: api.connection.streams, logger: silentLogger }).create(record);
    expect(await store.lookUp('made-elsewhere')).toBe('unreadable');
  }, 20_000);
});
