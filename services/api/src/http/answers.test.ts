import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ERROR_CODES } from '@muster/protocol';
import { request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { ApiFixture } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

/** The answer as it is on the wire. */
async function raw(path: string, headers: Record<string, string>) {
  return new Promise<{ encoding: string | undefined; vary: string | undefined; body: Buffer }>((resolve, reject) => {
    const options = { headers: { authorization: `Bearer ${api.adminToken}`, ...headers } };
    const sent = request(api.url + path, options, (message) => {
      const parts: Buffer[] = [];
      message.on('data', (part: Buffer) => parts.push(part));
      message.on('end', () =>
        resolve({
          encoding: message.headers['content-encoding'],
          vary: message.headers.vary,
          body: Buffer.concat(parts),
        }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('whole answers and downloads are compressed for those who take it, streams are not', async () => {
  const plain = await raw('/v1/tables', {});
  expect([plain.encoding, plain.vary]).toEqual([undefined, 'Accept-Encoding']);
  const packed = await raw('/v1/tables', { 'accept-encoding': 'br, gzip' });
  expect(packed.encoding).toBe('gzip');
  expect(packed.body.length).toBeLessThan(plain.body.length / 3);
  expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
  expect((await raw('/v1/tables', { 'accept-encoding': 'gzip;q=0' })).encoding).toBeUndefined();
  expect((await raw('/v1/me', { 'accept-encoding': 'gzip' })).encoding).toBeUndefined();
  const { id } = (await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } })).body;
  for (const path of [`/v1/queries/${id}/rows?format=ndjson`, `/v1/queries/${id}/rows?format=csv`, '/v1/audit/chain']) {
    const lines = await raw(path, {});
    const less = await raw(path, { 'accept-encoding': 'gzip' });
    expect([path, lines.encoding, lines.vary, less.encoding]).toEqual([path, undefined, 'Accept-Encoding', 'gzip']);
    expect(gunzipSync(less.body).length).toBeGreaterThan(0);
    // The chain has grown by the reads.
    if (path.includes('rows')) expect(gunzipSync(less.body).equals(lines.body)).toBe(true);
  }
  api.service.endsAtOnce = true;
  const ended = (await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } })).body.id as string;
  const events = await raw(`/v1/queries/${ended}/events`, { 'accept-encoding': 'gzip', accept: 'text/event-stream' });
  expect(events.encoding).toBeUndefined();
});

test('every answer to a caller who is known says what is left of the rate', async () => {
  const slow = await ApiFixture.start({ requestRate: 1, requestBurst: 3 });
  try {
    const { headers } = await slow.get('/v1/me');
    expect(headers.get('ratelimit-policy')).toBe('"requests";q=3;w=3');
    expect(headers.get('ratelimit')).toMatch(/^"requests";r=[12];t=[12]$/);
    const answers = await Promise.all(Array.from({ length: 60 }, () => slow.get('/v1/me')));
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.headers.get('ratelimit')).toBe('"requests";r=0;t=3');
    expect((await slow.get('/v1/me', { token: null })).headers.get('ratelimit')).toBeNull();
  } finally {
    await slow.stop();
  }
});

test('the type of a problem is a page that says what it means', async () => {
  const { body } = await api.get('/v1/nothing');
  expect(body.type).toBe('/problems/not_found');
  for (const [code, { title, status }] of Object.entries(ERROR_CODES)) {
    const page = await api.get(`/problems/${code}`, { token: null });
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.text).toContain(`<h1>${title}</h1>`);
    expect(page.text).toContain(`HTTP status ${status}`);
  }
  expect((await api.get('/problems/nothing', { token: null })).status).toBe(400);
});

test('labels are counted within the selector, with those that are built in', async () => {
  await api.agent({ labels: { env: 'prod', site: 'zrh' }, mode: 'live' });
  await api.agent({ labels: { env: 'prod' } });
  await api.agent({ labels: { env: 'test' }, facts: { os: 'windows' } });
  const { body } = await api.get('/v1/labels');
  expect(body.endpoints).toBe(3);
  const byKey = Object.fromEntries(body.items.map((item: { key: string }) => [item.key, item]));
  expect(Object.keys(byKey)).toEqual(['arch', 'env', 'mode', 'os', 'site', 'version']);
  expect(byKey.env).toMatchObject({
    ...{ endpoints: 3, distinct: 2 },
    values: [
      { value: 'prod', endpoints: 2 },
      { value: 'test', endpoints: 1 },
    ],
  });
  expect(byKey.mode.values).toEqual([
    { value: 'offline', endpoints: 2 },
    { value: 'live', endpoints: 1 },
  ]);
  expect((await api.get('/v1/labels?selector=os%3Dwin*')).body.endpoints).toBe(1);
  expect((await api.get('/v1/agents?selector=mode%3Doffline')).body.items).toHaveLength(2);
});
