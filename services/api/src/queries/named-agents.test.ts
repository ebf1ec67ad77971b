import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import { decodeNumberSet } from '@muster/records';
import { ApiFixture } from '../testing/api-fixture.js';
import type { QueryStore } from './query-store.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const ask = (body: object, token?: string) =>
  api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1', ...body }, ...(token === undefined ? {} : { token }) });
const nobody = 'a'.repeat(24);

test('a query of named endpoints asks those, and says how many they are', async () => {
  const [one, two] = [await api.agent({ mode: 'live' }), await api.agent()];
  await api.agent({ mode: 'live' });
  const { status, body } = await ask({ agents: [two.agentId, one.agentId, one.agentId] });
  expect([status, body.agents]).toEqual([201, 2]);
  const store = api.api.components['queries'] as unknown as QueryStore;
  const record = await store.read('default' as OrgId, body.id);
  expect(decodeNumberSet(record?.among ?? new Uint8Array())).toEqual([one.num, two.num]);
  expect((await api.get('/v1/queries')).body.items[0].agents).toBe(2);
  expect((await ask({})).body.agents).toBeUndefined();
});

test('an id that nobody has, of another org, or outside of the bound of a token is refused in the same words', async () => {
  const mine = await api.agent({ labels: { site: 'one' } });
  const outside = await api.agent({ labels: { site: 'two' } });
  const other = await api.agent({ org: 'other' as OrgId });
  const { token } = await api.token({ role: 'analyst', selector: 'site=one' });
  expect((await ask({ agents: [mine.agentId] }, token)).status).toBe(201);
  for (const id of [outside.agentId, other.agentId, nobody]) {
    const { status, body } = await ask({ agents: [mine.agentId, id] }, token);
    expect([status, body.code, body.detail]).toEqual([400, 'bad_request', `body.agents: nobody has the id ${id}`]);
  }
});

test.each([
  ['no list', 'x'],
  ['an empty list', []],
  ['a name', ['web-1']],
])('%s is refused', async (_, agents) => {
  expect((await ask({ agents })).status).toBe(400);
});

test('who is asked again says nobody else', async () => {
  expect((await ask({ sql: undefined, retryOf: `q${'0'.repeat(26)}`, agents: [nobody] })).status).toBe(400);
});
