import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ApiClient, type ApiClientOptions } from './client.js';
import { ApiProblem, ConnectionError, isTransient, nothingDone, UnexpectedAnswer } from './errors.js';
import { json, problem, ScriptedServer } from './testing/scripted-server.js';

let server: ScriptedServer;
let url: string;
beforeEach(async () => {
  server = new ScriptedServer();
  url = await server.start();
});
afterEach(() => server.stop());

const client = (options: Partial<ApiClientOptions> = {}): ApiClient => new ApiClient({ url, token: 't', ...options });
const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(() => undefined).catch((error: unknown) => error);

describe('a call', () => {
  test('carries the token, the parameters of its path and query, the body and the idempotency key', async () => {
    server.next(json({ id: 'q1' }, 201), json({ agentId: 'a/1' }));
    const body = { sql: 'SELECT 1' };
    expect(await client().call('POST /v1/queries', { body, idempotencyKey: 'k' })).toEqual({ id: 'q1' });
    await client().call('PATCH /v1/agents/{id}/labels', { params: { id: 'a/1' }, body: { remove: ['x'] } });
    expect(server.requests[0]).toMatchObject({ line: 'POST /v1/queries', body: JSON.stringify(body) });
    expect(server.requests[0]?.headers).toMatchObject({
      authorization: 'Bearer t',
      accept: 'application/json',
      'content-type': 'application/json',
      'idempotency-key': 'k',
    });
    expect(server.requests[1]?.line).toBe('PATCH /v1/agents/a%2F1/labels');
  });

  test('without a token has no authorization, and an answer without a body is undefined', async () => {
    server.next((response) => void response.writeHead(204).end());
    const nobody = new ApiClient({ url });
    const params = { id: 'q1' };
    expect(await nobody.call('DELETE /v1/queries/{id}', { params })).toBeUndefined();
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });

  test('goes over another function than fetch where one is given', async () => {
    const seen: string[] = [];
    const own = client({
      fetch: (address, { method }) => {
        seen.push(`${method} ${address}`);
        return Promise.resolve(new Response('{"items":[]}'));
      },
    });
    expect(await own.call('GET /v1/tables')).toEqual({ items: [] });
    expect(seen).toEqual([`GET ${url}/v1/tables`]);
  });
});

describe('a failure', () => {
  test('of the API is its problem document with all members', async () => {
    server.next(problem(422, { code: 'sql_error', detail: 'no such table: x', field: 'sql', line: 1 }));
    const error = await failure(client().call('POST /v1/queries', { body: { sql: 'SELECT 1 FROM x' } }));
    expect(error).toBeInstanceOf(ApiProblem);
    expect(error).toMatchObject({
      status: 422,
      code: 'sql_error',
      message: 'no such table: x (sql_error)',
      problem: { field: 'sql', line: 1 },
      retryAfterMs: undefined,
    });
    expect(isTransient(error)).toBe(false);
  });

  test('of something before the API is a problem without members', async () => {
    server.next((response) => void response.writeHead(403, { 'content-type': 'text/html' }).end('<h1>no</h1>'));
    const error = await failure(client().call('GET /v1/tables'));
    expect(error).toMatchObject({ status: 403, problem: {}, message: 'the server answered 403' });
  });

  test('is an answer that is no JSON', async () => {
    server.next((response) => void response.end('<h1>hello</h1>'));
    const error = await failure(client().call('GET /v1/tables'));
    expect(error).toBeInstanceOf(UnexpectedAnswer);
    expect(error).toMatchObject({ message: `${url}/v1/tables answered no JSON` });
    expect(isTransient(error)).toBe(false);
  });

  test('is a server that cannot be reached', async () => {
    const error = await failure(client({ url: 'http://127.0.0.1:1', retry: { attempts: 1 } }).call('GET /v1/tables'));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ fault: 'unreachable', message: 'cannot reach http://127.0.0.1:1' });
    expect((error as Error).cause).toBeDefined();
  });

  test('is a connection that breaks in the middle of an answer', async () => {
    server.next((response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"items":', () => response.destroy());
    });
    const error = await failure(client({ retry: { attempts: 1 } }).call('GET /v1/tables'));
    expect(error).toMatchObject({ name: 'ConnectionError', fault: 'cut' });
  });

  test('is an answer that does not begin, or does not end, in time', async () => {
    server.next(
      () => undefined,
      (response) => void response.writeHead(200).write('{'),
    );
    for (let i = 0; i < 2; i += 1) {
      const error = await failure(client({ timeoutMs: 50, retry: { attempts: 1 } }).call('GET /v1/tables'));
      expect(error).toMatchObject({
        name: 'ConnectionError',
        fault: 'timeout',
        message: `${url} did not answer in time`,
      });
    }
  });

  test('is the reason of a caller who gives up, whatever the call is at', async () => {
    for (const at of ['answer', 'body', 'pause'] as const) {
      const stop = new AbortController();
      server.next((response) => {
        if (at === 'pause') return problem(429, {}, { 'retry-after': '5' })(response, server.requests[0]!);
        if (at === 'body') response.writeHead(200).write('{');
        setTimeout(() => stop.abort(new Error('enough')), 20);
      });
      const onRetry = (): void => void setTimeout(() => stop.abort(new Error('enough')), 20);
      const error = await failure(client({ retry: { onRetry } }).call('GET /v1/tables', { signal: stop.signal }));
      expect([at, (error as Error).message]).toEqual([at, 'enough']);
    }
  });
});

describe('a repeat', () => {
  const later = problem(503, { code: 'no_query_service', detail: 'later', retryable: true }, { 'retry-after': '1' });

  test('waits as long as Retry-After says', async () => {
    server.next(later, json({ items: [] }));
    const causes: unknown[] = [];
    const startedAt = performance.now();
    await client({ retry: { onRetry: (cause) => void causes.push(cause) } }).call('GET /v1/tables');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990);
    expect(causes).toMatchObject([{ name: 'ApiProblem', retryAfterMs: 1_000 }]);
  });

  test('is not made when the server asks for more patience than there is, nor more often than is said', async () => {
    server.next(later);
    expect(await failure(client({ retry: { maxPauseMs: 500 } }).call('GET /v1/tables'))).toMatchObject({ status: 503 });
    const now = problem(503, { retryable: true });
    server.next(now, now, now);
    expect(await failure(client({ retry: { attempts: 3 } }).call('GET /v1/tables'))).toMatchObject({ status: 503 });
    expect(server.requests).toHaveLength(4);
  });

  test('of a call that makes something needs an idempotency key, except when it was refused because of the rate', async () => {
    const body = { sql: 'SELECT 1' };
    const lost = (response: { destroy(): void }): void => response.destroy();
    server.next(lost);
    expect(await failure(client().call('POST /v1/queries', { body }))).toBeInstanceOf(ConnectionError);
    expect(server.requests).toHaveLength(1);
    server.next(lost, json({ id: 'q1' }, 201));
    expect(await client().call('POST /v1/queries', { body, idempotencyKey: 'k' })).toEqual({ id: 'q1' });
    expect(server.requests.slice(1).map(({ headers }) => headers['idempotency-key'])).toEqual(['k', 'k']);
    server.next(problem(429, { code: 'rate_limited' }, { 'retry-after': '0' }), json({ id: 'q2' }, 201));
    expect(await client().call('POST /v1/queries', { body })).toEqual({ id: 'q2' });
  });
});

describe('a list', () => {
  const page = (ids: readonly string[], nextCursor?: string) =>
    json({ items: ids.map((agentId) => ({ agentId })), ...(nextCursor === undefined ? {} : { nextCursor }) });

  test('is read page after page', async () => {
    server.next(page(['a', 'b'], 'c1'), page([], 'c2'), page(['c']));
    const query = { selector: 'os=linux' };
    const agents = await client().all('GET /v1/agents', { query });
    expect(agents.map(({ agentId }) => agentId)).toEqual(['a', 'b', 'c']);
    expect(server.requests.map(({ line }) => line)).toEqual([
      'GET /v1/agents?selector=os%3Dlinux&limit=200',
      'GET /v1/agents?selector=os%3Dlinux&limit=200&cursor=c1',
      'GET /v1/agents?selector=os%3Dlinux&limit=200&cursor=c2',
    ]);
  });

  test('ends at its limit, and asks for no more than that', async () => {
    server.next(page(['a', 'b'], 'c1'), page(['c', 'd'], 'c2'));
    const items = await client().all('GET /v1/agents', { limit: 3, pageSize: 2 });
    expect(items).toHaveLength(3);
    expect(server.requests.map(({ line }) => line)).toEqual([
      'GET /v1/agents?limit=2',
      'GET /v1/agents?limit=1&cursor=c1',
    ]);
  });

  test('is not read further than its reader goes', async () => {
    server.next(page(['a', 'b'], 'c1'));
    for await (const { agentId } of client().items('GET /v1/agents')) if (agentId === 'a') break;
    expect(server.requests).toHaveLength(1);
  });
});

describe('that nothing was done', () => {
  test('is known of a refusal, and of nothing else', () => {
    const refusals = [
      new ApiProblem(422, { code: 'bad_params' }),
      new ApiProblem(409, { code: 'conflict' }),
      new ApiProblem(429, { code: 'rate_limited' }, 1_000),
      new ApiProblem(403, {}),
      new ApiProblem(503, { code: 'storage_full', carriedOut: false }, 30_000),
      new ApiProblem(503, { code: 'broker_unavailable', carriedOut: false }),
      new ApiProblem(503, { code: 'no_command_service' }),
    ];
    expect(refusals.filter((error) => !nothingDone(error))).toEqual([]);
    const unclear = [
      new ApiProblem(503, { code: 'broker_unavailable' }),
      new ApiProblem(504, { code: 'timeout' }),
      new ApiProblem(500, { code: 'internal' }),
      new ApiProblem(502, {}),
      new ApiProblem(408, {}),
      // A call with the same key is under way.
      new ApiProblem(409, { code: 'conflict' }, 1_000),
      new ConnectionError('cut', 'cut'),
      new UnexpectedAnswer('no JSON'),
    ];
    expect(unclear.filter((error) => nothingDone(error))).toEqual([]);
  });

  test('is not known where an earlier attempt of the call may have had its effect', async () => {
    const refused = problem(429, { code: 'rate_limited' }, { 'retry-after': '0' });
    const late = problem(504, { code: 'timeout', retryable: true });
    const call = () =>
      client({ retry: { attempts: 2, maxPauseMs: 1 } }).call('POST /v1/queries', {
        body: { sql: 'SELECT 1' },
        idempotencyKey: 'k',
      });
    server.next(refused, refused, late, refused);
    expect(nothingDone(await failure(call()))).toBe(true);
    expect(nothingDone(await failure(call()))).toBe(false);
  });
});
