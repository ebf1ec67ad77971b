import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EMPTY_COMMAND_LEDGER, EMPTY_LEDGER, type CommandLedger, type Ledger } from '@muster/protocol';
import type {
  ActionJson,
  CommandEvent,
  CommandJson,
  CommandPlanJson,
  CommandTargetJson,
  QueryEvent,
  QueryJson,
} from '@muster/api-contract';

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

type Answer = (request: Request, response: ServerResponse) => void;

/** An API whose answers the test defines; it records its requests. */
export class FakeApi {
  readonly requests: Request[] = [];
  readonly #answers = new Map<string, Answer>();
  readonly #server = createServer((incoming, response) => void this.#handle(incoming, response));

  /** Its address while it runs. */
  url = '';

  /** Starts without answers and without requests. */
  async start(): Promise<void> {
    this.requests.length = 0;
    this.#answers.clear();
    await new Promise<void>((resolve) => void this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
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

  /** Commands are accepted as `command`, and its stream is these events. */
  command(command: CommandJson, events: readonly CommandEvent[], plan: Partial<CommandPlanJson> = {}): void {
    this.json('GET /v1/actions', { items: ACTIONS });
    this.json('POST /v1/commands/plan', { targets: 1, connected: 1, unsupported: 0, ...plan });
    this.json('POST /v1/commands', command, 202);
    this.json(`GET /v1/commands/${command.id}`, command);
    this.on(`GET /v1/commands/${command.id}/events`, (_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.end(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    });
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

export const QUERY_ID = 'q01kav000000000000000000000';

/** A query of two columns. */
export function queryJson(more: Partial<QueryJson> = {}, ledger: Partial<Ledger> = {}): QueryJson {
  return {
    id: QUERY_ID,
    state: 'running',
    sql: 'SELECT name, version FROM os_version',
    mode: 'raw',
    selector: '',
    scope: '',
    timeoutMs: 30_000,
    operator: { id: 'op1', name: 'ann' },
    columns: ['name', 'version'],
    createdAt: '2026-01-01T00:00:00.000Z',
    deadlineAt: '2026-01-01T00:00:30.000Z',
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

export const COMMAND_ID = 'c01kav000000000000000000000';
export const AGENT_ID = 'abcdefghijklmnopqrstuvwx';

/** A running command. */
export function commandJson(more: Partial<CommandJson> = {}, ledger: Partial<CommandLedger> = {}): CommandJson {
  return {
    id: COMMAND_ID,
    status: 'running',
    action: 'process.kill',
    params: { name: 'abc.exe' },
    dryRun: false,
    target: 'os=linux',
    released: 1,
    operator: { id: 'op1', name: 'ann', role: 'responder' },
    submittedAt: '2026-01-01T00:00:00.000Z',
    expiresAt: '2026-01-02T00:00:00.000Z',
    timeoutMs: 30_000,
    ...more,
    ledger: { ...EMPTY_COMMAND_LEDGER, ...ledger },
  };
}

/** The same, ended one and a half seconds later. */
export function endedCommand(more: Partial<CommandJson> = {}, ledger: Partial<CommandLedger> = {}): CommandJson {
  return commandJson({ status: 'ended', endedAt: '2026-01-01T00:00:01.500Z', ...more }, ledger);
}

/** A target that succeeded. */
export function targetJson(number: number, more: Partial<CommandTargetJson> = {}): CommandTargetJson {
  const at = '2026-01-01T00:00:01.000Z';
  return { number, agentId: AGENT_ID, host: `h${number}`, state: 'succeeded', code: '', message: 'done', at, ...more };
}

const nature = { platforms: ['linux', 'windows', 'darwin'], reversible: false, destructive: false, timeoutMs: 30_000 };

/** Actions as the API describes them. */
export const ACTIONS: readonly ActionJson[] = [
  {
    ...nature,
    name: 'process.kill',
    summary: 'Ends a process',
    destructive: true,
    params: {
      properties: {
        pid: { type: 'integer', description: 'Process id' },
        start_time: { type: 'integer' },
        path: { type: 'string' },
        name: { type: 'string' },
        signal: { type: 'string', enum: ['TERM', 'KILL'], default: 'KILL' },
      },
    },
    object: [
      { required: ['pid'], optional: ['start_time', 'path'] },
      { required: ['name'], optional: ['path'] },
    ],
    binds: {
      table: 'processes',
      required: ['pid', 'start_time'],
      optional: ['path'],
      integers: ['pid', 'start_time'],
    },
  },
  {
    ...nature,
    name: 'host.isolate',
    summary: 'Cuts the endpoint off',
    destructive: true,
    reversible: true,
    params: {
      properties: {
        allow: { type: 'array', default: [] },
        releaseAfter: { anyOf: [{ type: 'string' }, { type: 'integer' }], default: '1h' },
      },
    },
  },
  {
    ...nature,
    name: 'agent.set_labels',
    summary: 'Sets labels',
    reversible: true,
    params: { properties: { set: { type: 'object' }, remove: { type: 'array' } } },
  },
  {
    ...nature,
    name: 'package.remove',
    summary: 'Removes an application',
    destructive: true,
    params: { properties: { name: { type: 'string' }, purge: { type: 'boolean', default: false } } },
  },
];
