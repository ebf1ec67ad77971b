import { once } from 'node:events';
import { Agent as HttpAgent, request as requestHttp, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import {
  decodeBatch,
  encodeBatch,
  POLL_MEDIA_TYPE,
  POLL_SEQUENCE_HEADER,
  POLL_SESSION_HEADER,
  type BatchedFrame,
} from '@muster/protocol';
import type { Wire } from './raw-client.js';

export interface PollAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The frames of a 200. */
  readonly frames: readonly BatchedFrame[];
  /** The fields of a problem document. */
  readonly problem: { readonly code?: string; readonly closeCode?: number; readonly closeReason?: string };
}

type Headers = Readonly<Record<string, string | undefined>>;

/** Sends requests for `/v1/poll`, exactly as a test writes them, over keep-alive connections. */
export class PollPeer {
  readonly #wire: Wire;
  readonly #agent: HttpAgent;
  /** The name of its session, after `open`. */
  session = '';

  constructor(wire: Wire) {
    this.#wire = wire;
    const options = { keepAlive: true, maxSockets: 4 };
    this.#agent =
      wire.ca === undefined
        ? new HttpAgent(options)
        : new HttpsAgent({ ...options, ca: wire.ca, servername: 'localhost' });
  }

  /** Sends one request; `undefined` omits a header. */
  async ask(method: string, headers: Headers = {}, body?: Uint8Array): Promise<PollAnswer> {
    const { port, ca } = this.#wire;
    const request = ca === undefined ? requestHttp : requestHttps;
    const isSized = method === 'POST' && headers['transfer-encoding'] === undefined;
    const all = { ...(isSized ? { 'content-length': String(body?.length ?? 0) } : {}), ...headers };
    const given = Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    const call = request({ host: '127.0.0.1', port, path: '/v1/poll', method, headers: given, agent: this.#agent });
    call.end(body);
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    const bytes = Buffer.concat((await response.toArray()) as Buffer[]);
    const isBatch = response.headers['content-type'] === POLL_MEDIA_TYPE;
    const isProblem = response.headers['content-type'] === 'application/problem+json';
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: bytes,
      frames: isBatch && response.headers['content-encoding'] === undefined ? (decodeBatch(bytes) ?? []) : [],
      problem: isProblem ? (JSON.parse(bytes.toString()) as PollAnswer['problem']) : {},
    };
  }

  async open(token: string): Promise<PollAnswer> {
    const answer = await this.ask('POST', { authorization: `Bearer ${token}` });
    this.session = String(answer.headers[POLL_SESSION_HEADER] ?? '');
    return answer;
  }

  /** Polls. `have`: the number of the last received frame. */
  get(have?: number, headers: Headers = {}): Promise<PollAnswer> {
    return this.ask('GET', { ...this.#within(have), ...headers });
  }

  post(sequence: number, frames: readonly Uint8Array[], have?: number, headers: Headers = {}): Promise<PollAnswer> {
    return this.postBytes(sequence, encodeBatch(frames.map((frame) => ({ frame, ageMs: 0 }))), have, headers);
  }

  postBytes(sequence: number | string, body: Uint8Array, have?: number, headers: Headers = {}): Promise<PollAnswer> {
    const all = {
      ...this.#within(have),
      [POLL_SEQUENCE_HEADER]: String(sequence),
      'content-type': POLL_MEDIA_TYPE,
      ...headers,
    };
    return this.ask('POST', all, body);
  }

  leave(): Promise<PollAnswer> {
    return this.ask('DELETE', this.#within(undefined));
  }

  stop(): void {
    this.#agent.destroy();
  }

  #within(have: number | undefined): Record<string, string> {
    return { [POLL_SESSION_HEADER]: this.session, ...(have === undefined ? {} : { 'if-none-match': `"${have}"` }) };
  }
}
