import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

/** The answer to these bytes, until the server closes or `enough` is true. */
function raw(bytes: string, enough = /\r\n\r\n[^]*\}$/): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(api.port, '127.0.0.1', () => socket.write(bytes));
    socket.setEncoding('utf8');
    socket.on('data', (part: string) => {
      text += part;
      if (enough.test(text)) socket.destroy();
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}

const post = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  api.ask('POST', '/v1/queries', { body, headers });

describe('bodies', () => {
  test.each(['{', '{"sql":}', 'nope', '{"sql":"SELECT 1"}}', '\u0000', '"\u0001"', '[1,2'])(
    '%j is bad_request',
    async (body) => {
      const answer = await post(body);
      expect([answer.status, answer.body.code]).toEqual([400, 'bad_request']);
    },
  );

  test.each([[[]], [null], [42], [{ sql: 1 }], [{ sql: 'SELECT 1', extra: true }], [{ sql: 'SELECT 1', mode: 'x' }]])(
    '%j does not fit and says where',
    async (body) => {
      const answer = await api.ask('POST', '/v1/queries', { body });
      expect([answer.status, answer.body.code]).toEqual([400, 'bad_request']);
      expect(answer.body.detail).toMatch(/^body/);
    },
  );

  test('no body at all is bad_request', async () => {
    expect((await api.ask('POST', '/v1/queries')).body.code).toBe('bad_request');
  });

  test('over 1 MiB is 413, whether announced or not', async () => {
    const large = JSON.stringify({ sql: 'x'.repeat(1024 * 1024 + 1) });
    expect((await post(large)).body.code).toBe('too_large');
    const chunked = await raw(
      `POST /v1/queries HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${api.adminToken}\r\ncontent-type: application/json\r\n` +
        `transfer-encoding: chunked\r\n\r\n${'10000\r\n'.concat('x'.repeat(0x10000), '\r\n').repeat(17)}0\r\n\r\n`,
    );
    expect(chunked).toMatch(/^HTTP\/1\.1 413 /);
  });

  test.each(['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded'])(
    '%s is 415',
    async (type) => {
      const answer = await post('{"sql":"SELECT 1"}', { 'content-type': type });
      expect([answer.status, answer.body.code]).toEqual([415, 'unsupported_media_type']);
    },
  );

  test('compressed or in another charset is 415', async () => {
    expect((await post('{}', { 'content-encoding': 'gzip' })).status).toBe(415);
    expect((await post('{"sql":"SELECT 1"}', { 'content-type': 'application/json; charset=latin1' })).status).toBe(415);
  });

  test('nested deeply is refused without harm', async () => {
    expect((await post('['.repeat(100_000) + ']'.repeat(100_000))).status).toBe(400);
    expect((await post(`{"sql":"SELECT 1","selector":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`)).status).toBe(
      400,
    );
  });

  test.each([
    ['params', (deep: string) => `{"action":"dns.flush","target":{"selector":""},"params":{"a":${deep}}}`],
    ['a row', (deep: string) => `{"action":"dns.flush","target":{"rows":[{"agentId":"x","row":{"a":${deep}}}]}}`],
    ['an unknown member', (deep: string) => `{"action":"dns.flush","b":${deep}}`],
  ])('%s nested deeply is refused with a message, with and without an idempotency key', async (_what, bodyWith) => {
    for (const headers of [{}, { 'idempotency-key': 'k' }] as Record<string, string>[]) {
      for (const depth of [33, 5_000, 150_000]) {
        const body = bodyWith('['.repeat(depth) + ']'.repeat(depth));
        const answer = await api.ask('POST', '/v1/commands', { body, headers });
        expect([answer.status, answer.body.detail]).toEqual([400, expect.stringMatching(/more than 32 deep/)]);
      }
    }
  });

  test('in UTF-16 is 415: JSON between systems is UTF-8', async () => {
    const body = Buffer.from('{"sql":"SELECT 1"}', 'utf16le');
    expect((await post(body, { 'content-type': 'application/json; charset=utf-16' })).status).toBe(415);
  });

  test('__proto__ pollutes nothing', async () => {
    const answer = await post('{"sql":"SELECT 1","__proto__":{"mode":"group"}}');
    expect(answer.status).toBe(400);
    expect(({} as Record<string, unknown>)['mode']).toBeUndefined();
  });
});

describe('paths and methods', () => {
  test('an unknown path is a 404 problem', async () => {
    const answer = await api.get('/v1/nope');
    expect([answer.status, answer.body.code, answer.headers.get('content-type')]).toEqual([
      404,
      'not_found',
      'application/problem+json; charset=utf-8',
    ]);
  });

  test('a wrong method is 405 and names the allowed ones', async () => {
    const answer = await api.ask('PUT', '/v1/queries', { body: {} });
    expect([answer.status, answer.body.code, answer.headers.get('allow')]).toEqual([
      405,
      'method_not_allowed',
      'HEAD, POST, GET',
    ]);
    expect((await api.get('/v1/agents/labels')).headers.get('allow')).toBe('POST');
  });

  test.each(['/v1/queries/%zz', '/v1/queries/%', '/%c0%80', '/v1/agents/%00', '/v1/queries/..%2f..%2fetc'])(
    '%s is refused',
    async (path) => {
      const answer = await api.get(path);
      expect([400, 404]).toContain(answer.status);
    },
  );

  test('a parameter given twice, unknown, or out of range is bad_request', async () => {
    for (const query of ['limit=1&limit=2', 'nope=1', 'limit=0', 'limit=1e9', 'limit=-1', 'limit=', 'state[]=x']) {
      expect((await api.get(`/v1/queries?${query}`)).body.code).toBe('bad_request');
    }
  });

  test('garbage instead of HTTP closes the connection', async () => {
    expect(await raw('\u0016\u0003\u0001\u0002\u0000\r\n\r\n', /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test.each([
    ['two Host', 'host: x\r\nhost: y\r\ncontent-length: 0', ''],
    ['an empty Host', 'host:\r\ncontent-length: 0', ''],
    ['two Content-Length', 'host: x\r\ncontent-length: 2\r\ncontent-length: 0', '{}'],
    ['Content-Length and Transfer-Encoding', 'host: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked', '0\r\n\r\n'],
    ['gzip, chunked', 'host: x\r\ntransfer-encoding: gzip, chunked', '0\r\n\r\n'],
    ['an empty Transfer-Encoding', 'host: x\r\ncontent-length: 2\r\ntransfer-encoding:', '{}'],
  ])('%s is refused, and so is what comes behind it', async (_what, lines, body) => {
    const authorization = `authorization: Bearer ${api.adminToken}`;
    const behind = `GET /v1/me HTTP/1.1\r\nhost: x\r\n${authorization}\r\n\r\n`;
    const answer = await raw(`POST /v1/queries HTTP/1.1\r\n${lines}\r\n${authorization}\r\n\r\n${body}${behind}`, /$^/);
    expect(answer.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 400']);
  });

  test('HEAD of a stream ends at once', async () => {
    const { id } = (await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } })).body;
    const response = await fetch(`${api.url}/v1/queries/${id}/events`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${api.adminToken}` },
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  });
});

describe('every answer', () => {
  test('has a request id and security headers', async () => {
    const answer = await api.get('/v1/me');
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'");
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('x-powered-by')).toBeNull();
  });

  test('repeats a well-formed request id, and no other', async () => {
    expect((await api.get('/v1/me', { headers: { 'x-request-id': 'abc.1-2' } })).headers.get('x-request-id')).toBe(
      'abc.1-2',
    );
    expect((await api.get('/v1/me', { headers: { 'x-request-id': 'a b' } })).headers.get('x-request-id')).not.toBe(
      'a b',
    );
  });

  test('an internal error reveals no details', async () => {
    api.service.answer = () => ({ t: 'adopted' });
    const answer = await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } });
    expect([answer.status, answer.body.code]).toEqual([500, 'internal']);
    expect(answer.text).not.toMatch(/\bat \S+ \(|node_modules|dist\//);
  });

  test('while the broker is unreachable is broker_unavailable, and works again afterwards', async () => {
    api.broker.interrupt();
    const answer = await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } });
    expect([answer.status, answer.body.code]).toEqual([503, 'broker_unavailable']);
    const keyed = await api.ask('POST', '/v1/queries', {
      body: { sql: 'SELECT 1' },
      headers: { 'idempotency-key': 'of-the-client-itself' },
    });
    // Whoever reads this may not know that the client gave a key.
    expect([keyed.status, keyed.body.detail]).toEqual([
      503,
      expect.stringMatching(/^the message broker .* nothing was/),
    ]);
    expect([answer.body.carriedOut, keyed.body.carriedOut]).toEqual([false, false]);
    expect((await api.get(`/v1/queries/q${'0'.repeat(26)}`)).body.code).toBe('broker_unavailable');
    api.broker.restore();
    await eventually(async () => (await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } })).status === 201);
  });

  test('is counted by route template and status class, never by id', async () => {
    await api.get(`/v1/queries/q${'0'.repeat(26)}`);
    await api.get('/v1/some/where/else');
    await eventually(async () => (await api.metrics.registry.metrics()).includes('route="unmatched"'));
    const text = await api.metrics.registry.metrics();
    expect(text).toContain(
      'muster_api_request_duration_seconds_count{route="/v1/queries/{id}",method="GET",status_class="4xx"} 1',
    );
    expect(text).not.toContain('q000');
  });
});

test('one operator, and one org, have only their share of requests in progress', async () => {
  await api.stop();
  api = await ApiFixture.start({ requestBounds: { total: 100, perOrg: 4, perOperator: 2 } });
  const [ann, ben] = [await api.token({ role: 'viewer' }), await api.token({ role: 'viewer' })];
  let release: () => void = () => undefined;
  api.commands.held = new Promise((resolve) => (release = resolve));
  const ask = ({ token }: { token: string }) => api.get('/v1/commands', { token });
  const waiting = [ask(ann), ask(ann), ask(ben), ask(ben)];
  await eventually(() => api.commands.asked.length === waiting.length);
  for (const [who, detail] of [
    [ann, 'you have as many requests in progress as are allowed'],
    [{ token: api.adminToken }, 'your org has as many requests in progress as are allowed'],
  ] as const) {
    const { status, body } = await ask(who);
    expect([status, body.code, body.detail]).toEqual([429, 'rate_limited', detail]);
  }
  release();
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect((await ask(ann)).status).toBe(200);
});
