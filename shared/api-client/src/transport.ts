import { ApiProblem, ConnectionError, UnexpectedAnswer, type ProblemFields } from './errors.js';
import { parseRetryAfter } from './retry.js';

/**
 * What a client needs of `fetch`. Where it is not enough (an authority of one's own, a unix socket) another function takes its
 * place.
 */
export type FetchLike = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body?: string;
    readonly signal?: AbortSignal;
  },
) => Promise<Response>;

export interface TransportOptions {
  /** Base address of the API, without a slash at its end. */
  readonly url: string;
  /** Sent as a bearer token. */
  readonly token?: string | undefined;
  readonly fetch?: FetchLike | undefined;
}

export interface HttpRequest {
  readonly method: string;
  /** With the query string. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Until the answer begins, and for a whole JSON answer until it ends. */
  readonly timeoutMs: number;
}

const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** HTTP with one API: the token, time-outs, and what failures mean. */
export class Transport {
  readonly url: string;
  readonly #token: string | undefined;
  readonly #fetch: FetchLike;

  constructor({ url, token, fetch: fetchLike }: TransportOptions) {
    this.url = url;
    this.#token = token;
    this.#fetch = fetchLike ?? ((input, init) => fetch(input, init));
  }

  /**
   * The JSON of a successful answer; undefined without a body.
   * @throws ApiProblem, ConnectionError, UnexpectedAnswer, the reason of the signal
   */
  async json(request: HttpRequest, onHeaders?: (headers: Headers) => void): Promise<unknown> {
    const deadline = new Deadline(request.timeoutMs, request.signal);
    try {
      const response = await this.#send(request, deadline);
      const text = await this.#text(response, deadline);
      onHeaders?.(response.headers);
      return text === '' ? undefined : parseJson(text, `${this.url}${request.path} answered no JSON`);
    } finally {
      deadline.clear();
    }
  }

  /** A successful answer whose body is still to come. @throws as {@link json} */
  async open(request: HttpRequest): Promise<Response> {
    const deadline = new Deadline(request.timeoutMs, request.signal);
    try {
      return await this.#send(request, deadline);
    } finally {
      deadline.clear();
    }
  }

  /** Any answer, as it is. @throws what `fetch` throws */
  async fetch({ method, path, body, headers, signal }: Omit<HttpRequest, 'timeoutMs'>): Promise<Response> {
    return this.#fetch(this.url + path, {
      method,
      headers: {
        accept: 'application/json',
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #send(request: HttpRequest, deadline: Deadline): Promise<Response> {
    let response: Response;
    try {
      response = await this.fetch({ ...request, signal: deadline.signal });
    } catch (error) {
      throw this.#faultOf(error, deadline, () => new ConnectionError('unreachable', `cannot reach ${this.url}`, error));
    }
    if (response.ok) return response;
    const text = await this.#text(response, deadline);
    const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), Date.now());
    throw new ApiProblem(response.status, parseProblem(text), retryAfterMs);
  }

  async #text(response: Response, deadline: Deadline): Promise<string> {
    if (response.body === null) return '';
    const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
    const decoder = new TextDecoder();
    let text = '';
    let bytes = 0;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return text + decoder.decode();
        bytes += value.byteLength;
        if (bytes > MAX_BODY_BYTES) break;
        text += decoder.decode(value, { stream: true });
      }
    } catch (error) {
      const message = `the connection to ${this.url} broke in the middle of an answer`;
      throw this.#faultOf(error, deadline, () => new ConnectionError('cut', message, error));
    }
    await reader.cancel().catch(() => undefined);
    throw new UnexpectedAnswer(`${this.url} answered more than ${MAX_BODY_BYTES} bytes`);
  }

  /** What is thrown for a failure: the reason of the caller who gave up, a time-out, or what the failure means otherwise. */
  #faultOf(error: unknown, { caller, expired }: Deadline, otherwise: () => Error): unknown {
    if (caller?.aborted === true) return caller.reason;
    return expired ? new ConnectionError('timeout', `${this.url} did not answer in time`, error) : otherwise();
  }
}

/** Aborts when the time is over or the caller gives up. */
class Deadline {
  readonly signal: AbortSignal;
  readonly caller: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout>;
  expired = false;

  constructor(timeoutMs: number, caller: AbortSignal | undefined) {
    const controller = new AbortController();
    this.caller = caller;
    this.signal = caller === undefined ? controller.signal : AbortSignal.any([controller.signal, caller]);
    this.#timer = setTimeout(() => {
      this.expired = true;
      controller.abort();
    }, timeoutMs);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}

function parseProblem(text: string): ProblemFields {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null) return value as ProblemFields;
  } catch {
    // Not the API's own answer but, for example, a proxy's page: only the status is known.
  }
  return {};
}

/** @throws UnexpectedAnswer with this message */
export function parseJson(text: string, message: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new UnexpectedAnswer(message, { cause });
  }
}
