import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ApiClient } from './client.js';
import { ConnectionError, UnexpectedAnswer } from './errors.js';
import { followQuery } from './follow.js';
import { problem, ScriptedServer, stream } from './testing/scripted-server.js';

let server: ScriptedServer;
let client: ApiClient;
beforeEach(async () => {
  server = new ScriptedServer();
  client = new ApiClient({ url: await server.start(), token: 't', silenceMs: 300 });
});
afterEach(() => server.stop());

const NDJSON = 'application/x-ndjson; charset=utf-8';
const SSE = 'text/event-stream; charset=utf-8';
const rows = (seq: number | null, host = 'h') => ({ event: 'rows', seq, answers: [{ num: 1, host, rows: [] }] });
const ended = (seq: number | null) => ({ event: 'ended', seq, query: { id: 'q1', state: 'complete' } });
const line = (event: object): string => `${JSON.stringify(event)}\n`;
const call = { params: { id: 'q1' } };

async function follow(
  options: Partial<Parameters<typeof client.events<'GET /v1/queries/{id}/events'>>[1]> = {},
): Promise<unknown[]> {
  const events: unknown[] = [];
  for await (const event of client.events('GET /v1/queries/{id}/events', { ...call, ...options })) events.push(event);
  return events;
}
const lastSeen = () => server.requests.map(({ headers }) => headers['last-event-id']);

describe('events', () => {
  test('come in order, without heartbeats, until the last one; what follows it is not waited for', async () => {
    server.next(stream(NDJSON, [line(rows(1)), line({ event: 'heartbeat' }), '\n', line(ended(2))], 'stays open'));
    expect(await follow()).toEqual([rows(1), ended(2)]);
    expect(server.requests[0]).toMatchObject({
      line: 'GET /v1/queries/q1/events',
      headers: { accept: 'application/x-ndjson' },
    });
  });

  test('may be cut anywhere, also within a character', async () => {
    const bytes = Buffer.from(line(rows(1, '東京')) + line(ended(2)));
    server.next((response) => {
      response.writeHead(200, { 'content-type': NDJSON });
      const send = (at: number): void => {
        if (at >= bytes.length) return void response.end();
        response.write(bytes.subarray(at, at + 7), () => setImmediate(send, at + 7));
      };
      send(0);
    });
    expect(await follow()).toEqual([rows(1, '東京'), ended(2)]);
  });

  test('come as server-sent events too', async () => {
    const sse = (event: { event: string; seq: number | null }): string =>
      `${event.seq === null ? '' : `id: ${event.seq}\n`}event: ${event.event}\ndata: ${JSON.stringify(event)}\n\n`;
    server.next(
      stream(SSE, [sse(rows(1)), ': heartbeat\n\n', 'event: rows\ndata: {"event":"ro'], 'breaks'),
      stream(SSE, [sse(rows(2)).replaceAll('\n', '\r\n'), sse(ended(3))], 'ends'),
    );
    expect(await follow({ format: 'sse' })).toEqual([rows(1), rows(2), ended(3)]);
    expect(server.requests[0]?.headers.accept).toBe('text/event-stream');
    expect(lastSeen()).toEqual([undefined, '1']);
  });
});

describe('a stream that is interrupted', () => {
  test('goes on after the last numbered event; half an event is not taken for one', async () => {
    server.next(
      stream(NDJSON, [line(rows(7)), line(rows(null)), '{"event":"rows","se'], 'breaks'),
      stream(NDJSON, [line(rows(8))], 'ends'),
      stream(NDJSON, [line(ended(9))], 'ends'),
    );
    const reconnects: number[] = [];
    expect(await follow({ onReconnect: (attempt) => void reconnects.push(attempt) })).toEqual([
      rows(7),
      rows(null),
      rows(8),
      ended(9),
    ]);
    expect(lastSeen()).toEqual([undefined, '7', '8']);
    expect(reconnects).toEqual([1, 1]);
  });

  test('goes on when it is silent for longer than heartbeats allow, or the server is away for a while', async () => {
    server.next(
      stream(NDJSON, [line(rows(1))], 'stays open'),
      problem(503, { code: 'draining', retryable: true }, { 'retry-after': '1' }),
      (response) => void response.destroy(),
      stream(NDJSON, [line(ended(2))], 'ends'),
    );
    expect(await follow()).toEqual([rows(1), ended(2)]);
    expect(lastSeen()).toEqual([undefined, '1', '1', '1']);
  });

  test('is over when the server says that there is nothing more', async () => {
    server.next(stream(NDJSON, [line(rows(1))], 'ends'), (response) => void response.writeHead(204).end());
    expect(await follow()).toEqual([rows(1)]);
    server.next((response) => void response.writeHead(204).end());
    await expect(followQuery(client, 'q1')).rejects.toBeInstanceOf(ConnectionError);
  });

  test('ends with the refusal of a server that does not know it any more', async () => {
    server.next(stream(NDJSON, [line(rows(1))], 'breaks'), problem(404, { code: 'not_found' }));
    await expect(follow()).rejects.toMatchObject({ status: 404 });
  });

  test('ends at once with the reason of a reader who gives up', async () => {
    server.next(stream(NDJSON, [line(rows(1))], 'stays open'));
    const stop = new AbortController();
    const reading = (async () => {
      for await (const _ of client.events('GET /v1/queries/{id}/events', { ...call, signal: stop.signal }))
        stop.abort(new Error('enough'));
    })();
    await expect(reading).rejects.toThrow('enough');
    expect(server.requests).toHaveLength(1);
  });

  test('an event that is no JSON is no broken connection: it is not asked for again', async () => {
    server.next(stream(NDJSON, ['<h1>hello</h1>\n'], 'ends'));
    await expect(follow()).rejects.toBeInstanceOf(UnexpectedAnswer);
    expect(server.requests).toHaveLength(1);
  });
});

test('the connection ends when the reader stops', async () => {
  let closed: Promise<void> | undefined;
  server.next((response, request) => {
    closed = new Promise((resolve) => response.on('close', resolve));
    stream(NDJSON, [line(rows(1)), line(rows(2))], 'stays open')(response, request);
  });
  for await (const _ of client.events('GET /v1/queries/{id}/events', call)) break;
  await closed;
});

test('lines are those of one answer', async () => {
  server.next(stream(NDJSON, ['{"seq":1}\n{"seq":2}\n'], 'ends'));
  const links: unknown[] = [];
  for await (const link of client.lines('GET /v1/audit/chain', { query: { after: 5 } })) links.push(link);
  expect(links).toEqual([{ seq: 1 }, { seq: 2 }]);
  expect(server.requests[0]?.line).toBe('GET /v1/audit/chain?after=5');
});

test('a query is followed to its end', async () => {
  const ledgers = [{ targeted: 1 }, { targeted: 2 }];
  const progress = ledgers.map((ledger, i) => line({ event: 'progress', seq: i + 2, ledger }));
  server.next(stream(NDJSON, [line(rows(1)), ...progress, line(ended(4))], 'ends'));
  const seen: unknown[] = [];
  expect(await followQuery(client, 'q1', (ledger) => void seen.push(ledger))).toMatchObject({ state: 'complete' });
  expect(seen).toEqual(ledgers);
});
