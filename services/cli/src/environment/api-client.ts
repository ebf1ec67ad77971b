import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { ProblemDocument } from '@muster/protocol';
import type { Context } from './context.js';
import { CliError, EXIT } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** Values of the query string; undefined ones are left out. */
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** How long the whole answer may take; a minute unless something else is said. */
  readonly patienceMs?: number;
  /** Told the headers of a successful answer. */
  readonly onHeaders?: (headers: IncomingHttpHeaders) => void;
}

/** The API refused: the problem document (RFC 9457) it answered with. */
export class ApiProblem extends CliError {
  readonly status: number;
  readonly problem: Partial<ProblemDocument>;

  constructor(status: number, problem: Partial<ProblemDocument>, hint: string | undefined) {
    const message = problem.detail ?? problem.title ?? `the server answered ${status}`;
    super(problem.code === undefined ? message : `${message} (${problem.code})`, {
      exitCode: USAGE_CODES.has(problem.code ?? '') ? EXIT.usage : EXIT.error,
      ...(hint === undefined ? {} : { hint }),
    });
    this.status = status;
    this.problem = problem;
    this.excerpt = faultLines(problem);
  }
}

/** Every fault of the body, where there are several: the message has room for the first. */
function faultLines({ faults }: Partial<ProblemDocument>): readonly string[] {
  if (!Array.isArray(faults) || faults.length < 2) return [];
  return (faults as unknown[]).map((each) => {
    const { pointer = '', fault = '' } = each as { pointer?: string; fault?: string };
    return `  ${escapeControls(`${pointer.replace(/^#?\//, '').replaceAll('/', '.')}: ${fault}`)}`;
  });
}

/** Faults of what was typed, though only the server can see them. */
const USAGE_CODES = new Set([
  'bad_selector',
  'bad_timeout',
  'bad_request',
  'unknown_action',
  'bad_params',
  'bad_rollout',
]);

/** The server could not be asked, or the connection broke. The same call may succeed later. */
export class ConnectionFault extends CliError {}

const MAX_BODY_BYTES = 64 * 1024 * 1024;
const CALL_TIMEOUT_MS = 60_000;

/** Speaks HTTP with one Muster API. Nothing is kept between calls but connections; `close` ends those. */
export class ApiClient {
  readonly #context: Context;
  readonly #ca: string | undefined;
  readonly #agent: HttpAgent;

  constructor(context: Context) {
    this.#context = context;
    this.#ca = context.caPath === undefined ? undefined : readAuthority(context.caPath);
    const options = { keepAlive: true, maxSockets: 8 };
    this.#agent = context.apiUrl.startsWith('https:') ? new HttpsAgent(options) : new HttpAgent(options);
  }

  get context(): Context {
    return this.#context;
  }

  /** The JSON body of a successful answer; undefined when it has none. @throws ApiProblem, ConnectionFault */
  async json<T>(path: string, call: Call = {}): Promise<T> {
    const patience = AbortSignal.timeout(call.patienceMs ?? CALL_TIMEOUT_MS);
    const signal = AbortSignal.any([patience, ...(call.signal ? [call.signal] : [])]);
    const response = await this.open(path, { ...call, signal });
    call.onHeaders?.(response.headers);
    const text = await readText(response, this.#context.apiUrl);
    if (text === '') return undefined as T;
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new CliError(`${this.#context.apiUrl}${path} answered no JSON`, {
        hint: 'is this the address of a Muster API?',
        cause,
      });
    }
  }

  /** A successful answer as a stream. @throws ApiProblem, ConnectionFault */
  async open(path: string, call: Call = {}): Promise<IncomingMessage> {
    const response = await this.#send(path, call);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const text = await readText(response, this.#context.apiUrl);
    throw new ApiProblem(status, parseProblem(text), hintFor(status, this.#context));
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(path: string, { method = 'GET', query = {}, body, headers = {}, signal }: Call): Promise<IncomingMessage> {
    const { apiUrl, token } = this.#context;
    const url = new URL(apiUrl + path);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const options = {
      method,
      agent: this.#agent,
      headers: {
        accept: 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': String(payload.length) }),
        ...headers,
      },
      ...(signal === undefined ? {} : { signal }),
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
    };
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, resolve);
      request.on('error', (error) => reject(connectionFault(error, this.#context)));
      request.end(payload);
    });
  }
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CliError(`the certificate authority ${path} cannot be read`, { cause });
  }
}

async function readText(response: IncomingMessage, apiUrl: string): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > MAX_BODY_BYTES) throw new CliError(`${apiUrl} answered more than ${MAX_BODY_BYTES} bytes`);
      parts.push(part);
    }
  } catch (cause) {
    throw cause instanceof CliError
      ? cause
      : new ConnectionFault(`the connection to ${apiUrl} broke in the middle of an answer`, { cause });
  }
  return Buffer.concat(parts).toString('utf8');
}

function parseProblem(text: string): Partial<ProblemDocument> {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Some proxy's page: the status alone has to do.
  }
  return {};
}

function hintFor(status: number, { token, source }: Context): string | undefined {
  if (status === 401)
    return token === undefined
      ? 'set MUSTER_TOKEN, or a token in the context'
      : `the token comes from ${source} or MUSTER_TOKEN`;
  return undefined;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'its name does not resolve just now',
  ETIMEDOUT: 'it does not answer',
  ECONNRESET: 'it closed the connection',
  EPIPE: 'it closed the connection',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by an authority that is trusted here (MUSTER_CA)',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not signed by an authority that is trusted here (MUSTER_CA)',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not signed by an authority that is trusted here (MUSTER_CA)',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS',
  EPROTO: 'it does not speak TLS',
};

/** What a failed connection means, in words. */
export function connectionReason(error: NodeJS.ErrnoException): string {
  // A name with several addresses fails with one error for each.
  const code = error.code ?? (error as { errors?: NodeJS.ErrnoException[] }).errors?.[0]?.code;
  return REASONS[code ?? ''] ?? code ?? error.message;
}

function connectionFault(error: NodeJS.ErrnoException, context: Context): Error {
  if (error.name === 'TimeoutError')
    return new ConnectionFault(`${context.apiUrl} did not answer in time`, { cause: error });
  if (error.name === 'AbortError') return error;
  return new ConnectionFault(`cannot reach ${context.apiUrl} (${context.source}): ${connectionReason(error)}`, {
    hint: '`muster doctor` looks at each step of the way',
    cause: error,
  });
}
