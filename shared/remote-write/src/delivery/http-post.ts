import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { readFault, type Clock } from '@muster/runtime/program';

export interface HttpPostOptions {
  /** `http:` or `https:`. */
  readonly url: URL;
  /** Certificates that are believed instead of the system's, PEM. */
  readonly ca?: string;
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** The `Authorization` of each request. */
  readonly authorization?: () => string;
  readonly clock: Clock;
  /** How many connections there may be. */
  readonly connections: number;
  /** For the whole exchange, answer included. */
  readonly timeoutMs: number;
}

export type PostResult =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: IncomingMessage['headers'];
      /** The beginning of the answer. */
      readonly text: string;
    }
  | { readonly kind: 'timeout' | 'unreachable'; readonly detail: string };

const KEPT_ANSWER_BYTES = 512;

/** Posts to one URL over kept connections. Redirects are not followed: credentials go to the configured store alone. */
export class HttpPost {
  readonly #options: HttpPostOptions;
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(options: HttpPostOptions) {
    this.#options = options;
    const agentOptions = { keepAlive: true, maxSockets: options.connections };
    this.#agent =
      options.url.protocol === 'https:'
        ? new HttpsAgent({ ...agentOptions, ...(options.ca === undefined ? {} : { ca: options.ca }) })
        : new HttpAgent(agentOptions);
  }

  /** Never rejects. */
  async send(body: Uint8Array, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<PostResult> {
    const { clock, timeoutMs } = this.#options;
    // Not AbortSignal.any: the signal lives as long as the process, and would remember every request.
    const ended = new AbortController();
    let late = false;
    const abort = (): void => ended.abort();
    const timer = clock.setTimeout(() => {
      late = true;
      abort();
    }, timeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      return await this.#exchange(body, headers, ended.signal);
    } catch (cause) {
      return { kind: late ? 'timeout' : 'unreachable', detail: readFault(cause) };
    } finally {
      clock.clear(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #exchange(body: Uint8Array, own: Readonly<Record<string, string>>, signal: AbortSignal): Promise<PostResult> {
    const { url, headers: common, authorization } = this.#options;
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const login = authorization === undefined ? {} : { Authorization: authorization() };
    const headers = { ...common, ...login, ...own, 'Content-Length': body.length };
    return new Promise((resolve, reject) => {
      const sent = request(url, { method: 'POST', agent: this.#agent, headers, signal }, (answer) => {
        readAnswer(answer).then(resolve, reject);
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

async function readAnswer(answer: IncomingMessage): Promise<PostResult> {
  const chunks: Buffer[] = [];
  let kept = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    if (kept < KEPT_ANSWER_BYTES) chunks.push(chunk.subarray(0, KEPT_ANSWER_BYTES - kept));
    kept += chunk.length;
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return { kind: 'answered', status: answer.statusCode ?? 0, headers: answer.headers, text };
}
