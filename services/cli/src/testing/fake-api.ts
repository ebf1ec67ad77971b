import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EMPTY_LEDGER, type Ledger } from '@muster/protocol';
import type { QueryEvent, QueryJson } from '../http/query-json.js';

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

type Answer = (request: Request, response: ServerResponse) => void;

/** An API that answers what the test says, and remembers what it was asked. */
export class FakeApi {
  readonly requests: Request[] = [];
  readonly #answers = new Map<string, Answer>();
  readonly #server = createServer((incoming, response) => void this.#handle(incoming, response));

  async start(): Promise<string> {
    await new Promise<void>((resolve) => void this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** `on('POST /v1/queries', …)`; the query string is not part of it. */
  on(route: string, answer: Answer): void {
    this.#answers.set(route, answer);
  }

  json(route: string, body: unknown, status = 200): void {
    this.on(route, (_, response) => {
      response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
      response.end(JSON.stringify(body));
    });
  }

  /** A query that starts with `query` and whose stream is these events. */
  query(query: QueryJson, events: readonly QueryEvent[]): void {
    this.json('POST /v1/queries', query, 201);
    this.on(`GET /v1/queries/${query.id}/events`, (_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.end(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    });
    this.json(`DELETE /v1/queries/${query.id}`, {}, 202);
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const part of incoming) text += String(part);
    const path = incoming.url ?? '/';
    const method = incoming.method ?? 'GET';
    const request = {
      method,
      path,
      headers: incoming.headers,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
    };
    this.requests.push(request);
    const answer = this.#answers.get(`${method} ${path.split('?', 1)[0]}`);
    if (answer !== undefined) return answer(request, response);
    response.writeHead(404, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ code: 'not_found', detail: `no such thing: ${path}`, status: 404 }));
  }
}

export const QUERY_ID = 'q01kav0000000000000000000000';

/** A query of two columns; everything else may be said. */
export function queryJson(more: Partial<QueryJson> = {}, ledger: Partial<Ledger> = {}): QueryJson {
  return {
    id: QUERY_ID,
    state: 'running',
    sql: 'SELECT name, version FROM os_version',
    mode: 'raw',
    scope: '',
    columns: ['name', 'version'],
    createdAt: '2026-01-01T00:00:00.000Z',
    offline: 0,
    rows: 0,
    ...more,
    ledger: { ...EMPTY_LEDGER, ...ledger },
  };
}

/** The same, ended one and a half seconds later. */
export function endedQuery(more: Partial<QueryJson> = {}, ledger: Partial<Ledger> = {}): QueryJson {
  return queryJson({ state: 'complete', endedAt: '2026-01-01T00:00:01.500Z', ...more }, ledger);
}
