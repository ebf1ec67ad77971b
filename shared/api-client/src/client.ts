import {
  requestLine,
  type Answer,
  type Endpoint,
  type EventEndpoint,
  type EventOf,
  type InputOf,
  type Item,
  type Line,
  type Operations,
  type PagedEndpoint,
  type StreamEndpoint,
  type UntypedInput,
} from './endpoints.js';
import { jsonValues, textOf } from './lines.js';
import { followEvents, type ResumeOptions } from './resume.js';
import { DEFAULT_RETRY, withRetries, type RetryPolicy } from './retry.js';
import { Transport, type TransportOptions } from './transport.js';

export interface ApiClientOptions extends TransportOptions {
  /** How long a whole answer may take; a minute unless something else is said. */
  readonly timeoutMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  /** A stream that sends nothing for so long, not even a heartbeat, is taken for broken. */
  readonly silenceMs?: number;
}

export interface CallOptions {
  /** A call with the same key is never carried out twice, so it may be repeated. Only for operations that honour it. */
  readonly idempotencyKey?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  /** Sent besides, with each attempt. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Called with the headers of a successful answer. */
  readonly onHeaders?: (headers: Headers) => void;
}

export interface PageOptions {
  /** How many items to read at most. */
  readonly limit?: number | undefined;
  /** How many to ask for at a time. A server that reads everything for each page is asked for large ones. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface StreamOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface FollowOptions extends ResumeOptions {
  /** How the server writes events; NDJSON unless something else is said. */
  readonly format?: 'ndjson' | 'sse';
}

/** The input of a call together with its options; it may be left out where the operation needs none. */
export type Given<E extends Endpoint, Options> =
  object extends InputOf<Operations[E]>
    ? [given?: InputOf<Operations[E]> & Options]
    : [given: InputOf<Operations[E]> & Options];

const TIMEOUT_MS = 60_000;
const PAGE_SIZE = 200;
/** Streams send a heartbeat every ten seconds. */
const SILENCE_MS = 45_000;

/**
 * One client of the REST API, typed by its contract: an operation is named by its method and path. Every method throws `ApiProblem`
 * when the API refuses and `ConnectionError` when it cannot be asked. Other errors are `UnexpectedAnswer` and the reason of an
 * aborted signal.
 */
export class ApiClient {
  readonly url: string;
  readonly #transport: Transport;
  readonly #timeoutMs: number;
  readonly #retry: RetryPolicy;
  readonly #silenceMs: number;

  constructor(options: ApiClientOptions) {
    this.url = options.url;
    this.#transport = new Transport(options);
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#retry = { ...DEFAULT_RETRY, ...options.retry };
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
  }

  /** The JSON of a successful answer; undefined when it has no body (status 204). Repeats the call as the retry policy allows. */
  async call<E extends Endpoint>(endpoint: E, ...[given]: Given<E, CallOptions>): Promise<Answer<E>> {
    const input: UntypedInput & CallOptions = given ?? {};
    const { idempotencyKey, signal, onHeaders } = input;
    const { method, path } = requestLine(endpoint, input);
    const request = {
      method,
      path,
      body: input.body,
      headers: { ...input.headers, ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }) },
      signal,
      timeoutMs: input.timeoutMs ?? this.#timeoutMs,
    };
    const idempotent = idempotencyKey !== undefined || method === 'GET' || method === 'DELETE';
    const attempt = async (): Promise<unknown> => this.#transport.json(request, onHeaders);
    return (await withRetries(attempt, { ...this.#retry, ...input.retry }, { idempotent, signal })) as Answer<E>;
  }

  /** The items of a list, page after page. */
  async *items<E extends PagedEndpoint>(endpoint: E, ...[given]: Given<E, PageOptions>): AsyncGenerator<Item<E>> {
    const { limit = Infinity, pageSize = PAGE_SIZE, ...input }: UntypedInput & PageOptions = given ?? {};
    let left = limit;
    let cursor: string | undefined;
    do {
      const query = { ...input.query, limit: Math.min(left, pageSize), cursor };
      const page = (await this.call(endpoint, ...([{ ...input, query }] as unknown as Given<E, CallOptions>))) as {
        readonly items: readonly Item<E>[];
        readonly nextCursor?: string;
      };
      for (const item of page.items) {
        if (left <= 0) return;
        left -= 1;
        yield item;
      }
      cursor = page.nextCursor;
    } while (cursor !== undefined && left > 0);
  }

  /** All items of a list. */
  async all<E extends PagedEndpoint>(endpoint: E, ...given: Given<E, PageOptions>): Promise<Item<E>[]> {
    const items: Item<E>[] = [];
    for await (const item of this.items(endpoint, ...given)) items.push(item);
    return items;
  }

  /** The lines of one streamed answer. Ends also when the server ends it before everything was sent: see {@link resumed}. */
  async *lines<E extends StreamEndpoint>(endpoint: E, ...[given]: Given<E, StreamOptions>): AsyncGenerator<Line<E>> {
    const input: UntypedInput & StreamOptions = given ?? {};
    const response = await this.#open(endpoint, input, { accept: 'application/x-ndjson' });
    yield* jsonValues(response, this.#silenceMs, input.signal) as AsyncGenerator<Line<E>>;
  }

  /** The events of a stream, in order and each once, until `ended`. A connection that breaks or is silent is replaced by another. */
  events<E extends EventEndpoint>(
    endpoint: E,
    ...[given]: Given<E, FollowOptions>
  ): AsyncGenerator<Exclude<EventOf<E>, { readonly event: 'heartbeat' }>> {
    const input: UntypedInput & FollowOptions = given ?? {};
    const accept = input.format === 'sse' ? 'text/event-stream' : 'application/x-ndjson';
    const open = async (lastSeq: number | undefined): Promise<AsyncGenerator<EventOf<E>> | undefined> => {
      const headers = { accept, ...(lastSeq === undefined ? {} : { 'last-event-id': String(lastSeq) }) };
      const response = await this.#open(endpoint, input, headers);
      if (response.status === 204) return undefined;
      return jsonValues(response, this.#silenceMs, input.signal) as AsyncGenerator<EventOf<E>>;
    };
    return followEvents(open, input);
  }

  /** A successful answer in a form that is neither JSON nor NDJSON, as text in parts: a download may be larger than memory. */
  async *text<E extends Endpoint>(endpoint: E, given: InputOf<Operations[E]> & CallOptions): AsyncGenerator<string> {
    const input = given as UntypedInput & CallOptions;
    yield* textOf(await this.#open(endpoint, input, { accept: '*/*' }), this.#silenceMs, input.signal);
  }

  /** Any answer as it is, for what has no place in the contract. `body` is sent as JSON. Nothing is repeated. */
  fetch(
    path: string,
    init: { method?: string; body?: unknown; headers?: Readonly<Record<string, string>>; signal?: AbortSignal } = {},
  ): Promise<Response> {
    return this.#transport.fetch({ method: 'GET', ...init, path });
  }

  #open(endpoint: Endpoint, input: UntypedInput & StreamOptions, headers: Record<string, string>): Promise<Response> {
    return this.#transport.open({
      ...requestLine(endpoint, input),
      headers,
      signal: input.signal,
      timeoutMs: this.#silenceMs,
    });
  }
}
