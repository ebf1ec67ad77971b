import type { IncomingMessage, ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { decodeBatch, encodeBatch, POLL_MEDIA_TYPE } from '@muster/protocol';
import { FakeSession } from './fake-session.js';

export interface PollRequestSeen {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** A fault instead of the answer. `lose` handles the request and cuts the connection before the answer. */
export type PollFault =
  | 'cut'
  | 'lose'
  | 'hang'
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string | Uint8Array };

/**
 * The gateway's side of a Poll session: numbers its frames, drops acknowledged ones, takes each numbered request once,
 * and holds the answer to HELLO until WELCOME.
 */
export class FakePollSession extends FakeSession {
  readonly mode = 'poll';
  readonly name = `session-${Math.random()}`;
  readonly closed: Promise<number>;
  readonly requests: PollRequestSeen[] = [];
  /** The age of the frames that are sent. */
  ageMs = 0;
  /** `Muster-Poll-After` of the answers. */
  pollAfterMs: number | undefined;
  /** Called for each request after the first. */
  fault: (request: PollRequestSeen) => PollFault | undefined = () => undefined;
  #outbox: { number: number; bytes: Uint8Array }[] = [];
  #number = 0;
  #sequence = 0;
  #isWelcomed = false;
  #code: number | undefined;
  #onClosed: (code: number) => void = () => {};
  #held: (() => void) | undefined;
  #seen: (() => void)[] = [];

  constructor(request: IncomingMessage) {
    super(request);
    this.closed = new Promise((resolve) => (this.#onClosed = resolve));
    this.challenge();
  }

  get isOpen(): boolean {
    return this.#code === undefined;
  }

  sendBytes(bytes: Uint8Array): void {
    this.#number += 1;
    this.#outbox.push({ number: this.#number, bytes: Uint8Array.from(bytes) });
    if (this.#number > 1) this.#isWelcomed = true;
    this.#held?.();
  }

  end(code: number): void {
    this.#code = code;
    this.#onClosed(code);
    this.#held?.();
  }

  /** Waits until this many requests have come after the first. */
  async polled(count: number): Promise<void> {
    while (this.requests.length < count) await new Promise<void>((resolve) => this.#seen.push(resolve));
  }

  opened(response: ServerResponse): void {
    response.setHeader('muster-session', this.name);
    this.#bring(response, 0, 204);
  }

  async reply(request: PollRequestSeen, response: ServerResponse): Promise<void> {
    this.requests.push(request);
    for (const wake of this.#seen.splice(0)) wake();
    const fault = this.fault(request);
    if (fault === 'hang') return;
    if (fault === 'cut') return void response.socket?.destroy();
    if (typeof fault === 'object') return void response.writeHead(fault.status, fault.headers).end(fault.body);
    await this.#answer(request, response, fault === 'lose');
  }

  async #answer({ method, headers, body }: PollRequestSeen, response: ServerResponse, isLost: boolean): Promise<void> {
    if (this.#code !== undefined) return this.#gone(response);
    if (method === 'DELETE') {
      this.end(1000);
      return void response.writeHead(204).end();
    }
    const have = Number(/^"(\d+)"$/.exec(headers['if-none-match'] ?? '"0"')![1]);
    this.#outbox = this.#outbox.filter(({ number }) => number > have);
    if (method === 'POST') this.#takeOnce(Number(headers['muster-sequence']), headers, body);
    if (!this.#isWelcomed && this.isOpen) await new Promise<void>((resolve) => (this.#held = resolve));
    if (isLost) return void response.socket?.destroy();
    if (this.#code === undefined) this.#bring(response, have, method === 'POST' ? 204 : 304);
    else this.#gone(response);
  }

  #takeOnce(sequence: number, headers: IncomingMessage['headers'], body: Buffer): void {
    if (sequence === this.#sequence) return;
    if (sequence !== this.#sequence + 1) throw new Error(`batch ${sequence} after ${this.#sequence}`);
    this.#sequence = sequence;
    if (headers['content-type'] !== POLL_MEDIA_TYPE) throw new Error('not the type of a batch');
    const batch = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    for (const { frame } of decodeBatch(batch)!) this.received(frame);
  }

  #bring(response: ServerResponse, have: number, statusForNothing: number): void {
    if (this.pollAfterMs !== undefined) response.setHeader('muster-poll-after', this.pollAfterMs);
    const waiting = this.#outbox.filter(({ number }) => number > have);
    if (waiting.length === 0) return void response.writeHead(statusForNothing).end();
    const upTo = waiting.at(-1)!.number;
    response.writeHead(200, { 'content-type': POLL_MEDIA_TYPE, etag: `"${upTo}"` });
    response.end(encodeBatch(waiting.map(({ bytes }) => ({ frame: bytes, ageMs: this.ageMs }))));
  }

  #gone(response: ServerResponse): void {
    response.writeHead(410, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ status: 410, code: 'session_ended', closeCode: this.#code, closeReason: 'test' }));
  }
}
