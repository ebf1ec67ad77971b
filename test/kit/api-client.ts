import { setTimeout as delay } from 'node:timers/promises';

/** One event of a query's stream, as the API sends it. */
export interface QueryEvent {
  readonly event: string;
  readonly seq: number;
  readonly [member: string]: unknown;
}

export interface QueryView {
  readonly id: string;
  readonly state: string;
  readonly ledger: Readonly<Record<string, number>>;
  readonly columns: readonly string[];
  readonly truncated?: string;
}

export interface GroupView {
  readonly endpoints: number;
  readonly copies: number;
  readonly values: readonly unknown[];
}

export interface MissingEndpoint {
  readonly agentId: string;
  readonly outcome: string;
  readonly code: string;
}

export interface CommandView {
  readonly id: string;
  readonly status: string;
  readonly ledger: Readonly<Record<string, number>>;
}

export interface TargetView {
  readonly number: number;
  readonly agentId: string;
  readonly host: string;
  readonly state: string;
  readonly code: string;
  readonly message: string;
  readonly effects?: readonly string[];
}

/** The REST API as an integrator sees it: fetch and a token. */
export class ApiClient {
  readonly url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.#token = token;
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${this.#token}`);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
    return fetch(`${this.url}${path}`, { ...init, headers });
  }

  /** Comes back when it is told to: a fast machine asks more often than an operator may. */
  async get<T>(path: string): Promise<T> {
    let response = await this.fetch(path);
    for (; response.status === 429; response = await this.fetch(path)) {
      await response.arrayBuffer();
      await delay(1_000 * Number(response.headers.get('retry-after') ?? 1));
    }
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async start(body: Readonly<Record<string, unknown>>): Promise<QueryView> {
    const response = await this.fetch('/v1/queries', { method: 'POST', body: JSON.stringify(body) });
    if (response.status !== 201) throw new Error(`POST /v1/queries: ${response.status} ${await response.text()}`);
    return (await response.json()) as QueryView;
  }

  /** The events of a query from the beginning to its end. */
  events(id: string): AsyncGenerator<QueryEvent> {
    return this.#lines(`/v1/queries/${id}/events`);
  }

  async *#lines(path: string): AsyncGenerator<QueryEvent> {
    const response = await this.fetch(path, { headers: { accept: 'application/x-ndjson' } });
    if (!response.ok || response.body === null)
      throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    let rest = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      const lines = (rest + Buffer.from(chunk).toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line !== '') yield JSON.parse(line) as QueryEvent;
    }
  }

  /** Starts a query and follows it to its end; every ledger on the way is handed to `onLedger`. */
  async run(
    body: Readonly<Record<string, unknown>>,
    onLedger: (ledger: QueryView['ledger']) => void = () => undefined,
  ): Promise<QueryView> {
    const { id } = await this.start(body);
    return this.follow(id, onLedger);
  }

  async follow(id: string, onLedger: (ledger: QueryView['ledger']) => void = () => undefined): Promise<QueryView> {
    for await (const event of this.events(id)) {
      if (event.event === 'progress') onLedger(event['ledger'] as QueryView['ledger']);
      if (event.event === 'ended') return event['query'] as QueryView;
    }
    throw new Error(`the stream of ${id} closed before the query ended`);
  }

  /** Submits a command; throws unless it was accepted. */
  async submit(body: Readonly<Record<string, unknown>>, idempotencyKey?: string): Promise<CommandView> {
    const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
    const response = await this.fetch('/v1/commands', { method: 'POST', body: JSON.stringify(body), headers });
    if (response.status !== 202) throw new Error(`POST /v1/commands: ${response.status} ${await response.text()}`);
    return (await response.json()) as CommandView;
  }

  /** The events of a command from the beginning to its end. */
  commandEvents(id: string): AsyncGenerator<QueryEvent> {
    return this.#lines(`/v1/commands/${id}/events`);
  }

  /** Follows a command to its end. */
  async followCommand(
    id: string,
    onLedger: (ledger: CommandView['ledger']) => void = () => undefined,
  ): Promise<CommandView> {
    for await (const event of this.commandEvents(id)) {
      if (event.event === 'ledger') onLedger(event['ledger'] as CommandView['ledger']);
      if (event.event === 'ended') return event['command'] as CommandView;
    }
    throw new Error(`the stream of ${id} closed before the command ended`);
  }

  /** All items of a paged list. */
  async all<T>(path: string): Promise<T[]> {
    const items: T[] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined;) {
      const separator: string = path.includes('?') ? '&' : '?';
      const suffix: string = cursor === '' ? '' : `${separator}cursor=${encodeURIComponent(cursor)}`;
      const page: { items: T[]; nextCursor?: string } = await this.get(path + suffix);
      items.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    }
    return items;
  }
}
