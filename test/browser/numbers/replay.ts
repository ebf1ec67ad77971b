import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { queryEventSchema, type QueryEvent, type QueryJson, type StreamMessageJson } from '@muster/api-contract';
import { PERMISSIONS } from '@muster/identity';
import { EMPTY_LEDGER } from '@muster/protocol';

const FILES = fileURLToPath(new URL('../../../../services/console/dist/web/', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
const QUERY_ID = 'q01kav000000000000000000000';
const ROWS_AN_ANSWER = 50;
const EVENTS_A_SECOND = 10;

/** What is played: so many rows, at so many a second. */
interface Recording {
  readonly rows: number;
  readonly rowsPerSecond: number;
}

/**
 * Serves the built console and plays it the stream of one question, so that the system that would answer does not
 * compete for the processors. Each kind of event is checked against the contract before anything is played.
 */
export class Replay {
  readonly #recording: Recording;
  readonly #server: Server = createServer((request, response) => void this.#handle(request, response));
  #stopped = false;
  /** When the last row was sent. */
  #done: () => void = () => undefined;
  readonly done = new Promise<void>((resolve) => (this.#done = resolve));

  constructor(recording: Recording) {
    this.#recording = recording;
  }

  /** Where the page of the question is. */
  async start(): Promise<string> {
    for (const event of [started(this.#recording), ...this.#batch(0, 1), ended(this.#recording)])
      queryEventSchema.parse(event);
    await new Promise<void>((resolve) => void this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/ask/${QUERY_ID}`;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    if (pathname === '/v1/stream') {
      const body = JSON.parse(await textOf(request)) as { subscriptions: { id: string; kind: string }[] };
      await this.#stream(body.subscriptions, response);
    } else if (pathname.startsWith('/v1/')) answer(pathname, response);
    else await file(pathname, response);
  }

  async #stream(
    asked: readonly { readonly id: string; readonly kind: string }[],
    response: ServerResponse,
  ): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (message: StreamMessageJson): void =>
      void response.write(`event: ${message.event.event}\ndata: ${JSON.stringify(message)}\n\n`);
    send({ sub: null, event: { event: 'open', seq: null, stream: `${'0'.repeat(16)}.${'0'.repeat(32)}` } });
    const sub = asked.find(({ kind }) => kind === 'query')?.id;
    if (sub !== undefined) await this.#play((event) => send({ sub, event }));
  }

  async #play(send: (event: QueryEvent) => void): Promise<void> {
    const { rows, rowsPerSecond } = this.#recording;
    const atOnce = Math.ceil(rowsPerSecond / EVENTS_A_SECOND);
    send(started(this.#recording));
    const begin = performance.now();
    for (let sent = 0; sent < rows && !this.#stopped; sent += atOnce) {
      // By the clock of the recording, so that a slow moment is made up for.
      const dueMs = (sent / rowsPerSecond) * 1_000 - (performance.now() - begin);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs)));
      for (const event of this.#batch(sent, Math.min(atOnce, rows - sent))) send(event);
    }
    send(ended(this.#recording));
    this.#done();
  }

  /** As coordinators send them: some answers in one event, whole packages of an endpoint each. */
  #batch(from: number, count: number): QueryEvent[] {
    const answers = [];
    for (let at = from; at < from + count; at += ROWS_AN_ANSWER) {
      const num = at / ROWS_AN_ANSWER + 1;
      const rows = Array.from({ length: Math.min(ROWS_AN_ANSWER, from + count - at) }, (_, i) => packageRow(at + i));
      answers.push({ num, agentId: String(num).padStart(24, 'a'), host: `host-${String(num).padStart(5, '0')}`, rows });
    }
    const done = Math.ceil((from + count) / ROWS_AN_ANSWER);
    const ledger = ledgerOf(this.#recording, done);
    return [
      { event: 'rows', seq: from + 2, answers, ledger },
      { event: 'progress', seq: from + 3, ledger, elapsedMs: from / 5, gateways: 2 },
    ];
  }
}

/** Names repeat as those of packages do, over endpoints from a few images; versions repeat less. */
function packageRow(at: number): (string | number)[] {
  const name = `lib${((at % ROWS_AN_ANSWER) * 7919).toString(36)}-${at % 13}`;
  return [
    name,
    `${at % 9}.${at % 31}.${(at * 31) % 997}-${at % 5}ubuntu${at % 17}`,
    at % 3 === 0 ? 'all' : 'amd64',
    at * 13,
  ];
}

function ledgerOf({ rows }: Recording, answered: number) {
  const targeted = Math.ceil(rows / ROWS_AN_ANSWER);
  return { ...EMPTY_LEDGER, targeted, answered, waiting: targeted - answered };
}

function query(recording: Recording, more: Partial<QueryJson>): QueryJson {
  return {
    ...{ id: QUERY_ID, state: 'running', sql: 'SELECT name, version, arch, size FROM deb_packages', mode: 'raw' },
    ...{ selector: '', scope: '', timeoutMs: 30_000, operator: { id: 'op1', name: 'ann' } },
    ...{ columns: ['name', 'version', 'arch', 'size'], createdAt: '2026-01-01T00:00:00.000Z' },
    ...{ deadlineAt: '2026-01-01T00:00:30.000Z', offline: 0, rows: 0, ledger: ledgerOf(recording, 0) },
    ...more,
  };
}

const started = (recording: Recording): QueryEvent => ({ event: 'started', seq: 1, query: query(recording, {}) });

function ended(recording: Recording): QueryEvent {
  const { rows } = recording;
  const ledger = ledgerOf(recording, Math.ceil(rows / ROWS_AN_ANSWER));
  const endedAt = '2026-01-01T00:00:20.000Z';
  return { event: 'ended', seq: rows + 10, query: query(recording, { state: 'complete', rows, ledger, endedAt }) };
}

/** What the page asks besides: who it is. The rest is empty. */
function answer(pathname: string, response: ServerResponse): void {
  const me = { kind: 'token', id: 'op1', name: 'ann', org: 'default', role: 'admin', permissions: PERMISSIONS };
  const body = pathname === '/v1/me' ? me : { items: [] };
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function file(pathname: string, response: ServerResponse): Promise<void> {
  const name = extname(pathname) === '' ? '/index.html' : pathname;
  const body = await readFile(join(FILES, name)).catch(() => undefined);
  response
    .writeHead(body === undefined ? 404 : 200, { 'content-type': TYPES[extname(name)] ?? 'text/plain' })
    .end(body);
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}
