import { gunzipSync, gzipSync } from 'node:zlib';
import {
  BATCH_ENTRY_BYTES,
  decodeBatch,
  encodeBatch,
  LIMITS,
  POLL_AFTER_HEADER,
  POLL_MEDIA_TYPE,
  POLL_SEQUENCE_HEADER,
  POLL_SESSION_HEADER,
  type BatchedFrame,
} from '@muster/protocol';
import { fullJitter } from '@muster/runtime';
import type { HttpCall, HttpReply, PollClient } from './poll-client.js';
import type { Target } from './target.js';
import type { Wire, WireEnd, WireOwner } from './wire.js';

/** Requests, and how many of them were repeated because no answer came. */
export interface PollStats {
  polls: number;
  repeatedPolls: number;
}

/** What a poll session needs from its fleet. */
export interface PollOptions {
  readonly client: PollClient;
  readonly stats: PollStats;
  readonly token: string;
  /** The gateway of the next request. `failed`: the previous request got no answer. */
  target(failed: boolean): Target;
  /** The interval between two polls, unless a reply names another. */
  intervalMs(): number;
}

type Request = Pick<HttpCall, 'method' | 'headers' | 'body'>;

const REQUEST_TIMEOUT_MS = 15_000;
/** Attempts of one request before the session is given up. */
const ATTEMPTS = 5;
const BACKOFF = { baseMs: 1_000, capMs: 60_000 };
/** Batches from this size on are compressed. */
const COMPRESS_FROM_BYTES = 2_048;

/**
 * One poll session: frames in the bodies of HTTP requests (docs/protocol.md §10), one request at a time.
 *
 *     opening ──POST──▶ open ──▶ resting ⇄ requesting (POST with frames, or GET) ──410, or no answer──▶ ended
 *                                   └──close──▶ POST of queued frames ──▶ DELETE ──────────────────────▲
 */
export class PollWire implements Wire {
  readonly #owner: WireOwner;
  readonly #options: PollOptions;
  #session: string | undefined;
  /** The number of the last received frame. */
  #have = 0;
  /** The number of the last request with frames. */
  #sequence = 0;
  #outbox: { readonly frame: Uint8Array; readonly atMs: number }[] = [];
  /** Something in the outbox does not wait for the next poll. */
  #isUrgent = false;
  #busy = true;
  #due = false;
  #restMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #leaving: WireEnd | undefined;
  #ended = false;

  constructor(options: PollOptions, owner: WireOwner) {
    this.#options = options;
    this.#owner = owner;
    void this.#run();
  }

  send(frame: Uint8Array): void {
    this.sendLater(frame);
    this.#isUrgent = true;
    this.#wake();
  }

  sendLater(frame: Uint8Array): void {
    if (this.#ended || this.#leaving !== undefined) return;
    this.#outbox.push({ frame, atMs: performance.now() });
  }

  close(code: number): void {
    if (this.#ended || this.#leaving !== undefined) return;
    this.#leaving = { kind: 'closed', code, reason: '' };
    this.#wake();
  }

  destroy(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    queueMicrotask(() => this.#owner.ended({ kind: 'lost', message: 'destroyed' }));
  }

  #wake(): void {
    if (this.#busy) return;
    this.#busy = true;
    clearTimeout(this.#timer);
    // Frames that are sent in one turn of the event loop go into one batch.
    queueMicrotask(() => void this.#run());
  }

  /** Sends requests until no frame waits and no poll is due. */
  async #run(): Promise<void> {
    while (!this.#ended) {
      if (this.#leaving !== undefined && this.#outbox.length === 0) return this.#leave(this.#leaving);
      const request = this.#nextRequest();
      if (request === undefined) break;
      await this.#exchange(request);
    }
    this.#busy = false;
    if (!this.#ended) this.#rest();
  }

  #rest(): void {
    this.#timer = setTimeout(() => {
      this.#due = true;
      this.#wake();
    }, this.#restMs);
  }

  #nextRequest(): Request | undefined {
    if (this.#session === undefined) return this.#opening();
    const isDue = this.#due || this.#isUrgent || this.#leaving !== undefined;
    if (this.#outbox.length > 0 && isDue) return this.#batch(this.#session);
    if (!this.#due) return undefined;
    return { method: 'GET', headers: this.#headers(this.#session) };
  }

  #opening(): Request {
    const headers = { authorization: `Bearer ${this.#options.token}`, 'accept-encoding': 'gzip' };
    return { method: 'POST', headers, body: new Uint8Array(0) };
  }

  #batch(session: string): Request {
    let bytes = 0;
    let count = 0;
    for (const { frame } of this.#outbox) {
      bytes += BATCH_ENTRY_BYTES + frame.length;
      if (count > 0 && (bytes > LIMITS.pollBodyBytes || count === LIMITS.pollFrames)) break;
      count += 1;
    }
    const now = performance.now();
    if (count === this.#outbox.length) this.#isUrgent = false;
    const frames = this.#outbox.splice(0, count).map(({ frame, atMs }) => ({ frame, ageMs: now - atMs }));
    const batch = encodeBatch(frames);
    const isCompressed = batch.length >= COMPRESS_FROM_BYTES;
    this.#sequence += 1;
    const headers = {
      ...this.#headers(session),
      [POLL_SEQUENCE_HEADER]: String(this.#sequence),
      'content-type': POLL_MEDIA_TYPE,
      ...(isCompressed && { 'content-encoding': 'gzip' }),
    };
    return { method: 'POST', headers, body: isCompressed ? gzipSync(batch, { level: 1 }) : batch };
  }

  #headers(session: string): Record<string, string> {
    const receipt = this.#have === 0 ? {} : { 'if-none-match': `"${this.#have}"` };
    return { [POLL_SESSION_HEADER]: session, 'accept-encoding': 'gzip', ...receipt };
  }

  /** Sends one request, and repeats it unchanged until a gateway answers it. */
  async #exchange(request: Request): Promise<void> {
    this.#due = false;
    const backoff = fullJitter(BACKOFF);
    for (let failed = false; ; failed = true) {
      const reply = await this.#send(request, failed);
      if (this.#ended) return;
      if (typeof reply !== 'string' && !this.#isRepeated(reply)) {
        this.#onReply(reply);
        return;
      }
      const retryAfterMs = typeof reply === 'string' ? 0 : retryAfterOf(reply);
      if (backoff.attempt + 1 >= ATTEMPTS) {
        if (typeof reply === 'string') this.#finish({ kind: 'lost', message: reply });
        else this.#finish({ kind: 'refused', status: reply.status, retryAfterMs });
        return;
      }
      this.#options.stats.repeatedPolls += 1;
      await new Promise((resolve) => setTimeout(resolve, backoff.next(retryAfterMs)));
      if (this.#ended) return;
    }
  }

  /** Returns the reply, or the reason why there is none. */
  #send(request: Request, failed: boolean): Promise<HttpReply | string> {
    const { client, stats } = this.#options;
    stats.polls += 1;
    return client
      .call(this.#options.target(failed), { ...request, timeoutMs: REQUEST_TIMEOUT_MS })
      .catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
  }

  /** Within a session, 429 and 5xx count as no answer: the gateway is busy, or a proxy in front of it answered. */
  #isRepeated({ status }: HttpReply): boolean {
    return this.#session !== undefined && (status === 429 || status >= 500);
  }

  #onReply(reply: HttpReply): void {
    const { status, headers } = reply;
    this.#owner.active();
    if (status === 410) this.#finish(endOf(reply));
    else if (status !== 200 && status !== 204 && status !== 304) {
      this.#finish({ kind: 'refused', status, retryAfterMs: retryAfterOf(reply) });
    } else if (this.#session === undefined) this.#open(reply);
    else if (status === 200) this.#deliver(reply);
    const after = Number(headers[POLL_AFTER_HEADER] ?? Number.NaN);
    this.#restMs = after >= 0 ? after : this.#options.intervalMs() * (0.9 + 0.1 * Math.random());
  }

  #open(reply: HttpReply): void {
    const session = reply.headers[POLL_SESSION_HEADER];
    if (typeof session !== 'string') {
      this.#finish({ kind: 'lost', message: 'the reply that opens a session does not name it' });
      return;
    }
    this.#session = session;
    this.#owner.opened();
    this.#deliver(reply);
  }

  #deliver(reply: HttpReply): void {
    const upTo = Number(/^(?:W\/)?"(\d+)"$/.exec(reply.headers.etag ?? '')?.[1] ?? Number.NaN);
    const frames = framesOf(reply);
    // Frames are numbered: a gap or a repetition is a fault of the gateway.
    if (frames === undefined || upTo !== this.#have + frames.length) {
      const received = frames === undefined ? 'no batch' : `${frames.length} frames`;
      this.#finish({ kind: 'lost', message: `${received} up to ${reply.headers.etag} after "${this.#have}"` });
      return;
    }
    this.#have = upTo;
    for (const { frame, ageMs } of frames) {
      if (this.#ended || this.#leaving !== undefined) return;
      this.#owner.message(frame, ageMs);
    }
  }

  async #leave(end: WireEnd): Promise<void> {
    if (this.#session !== undefined) {
      await this.#send({ method: 'DELETE', headers: { [POLL_SESSION_HEADER]: this.#session } }, false);
    }
    this.#finish(end);
  }

  #finish(end: WireEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#owner.ended(this.#leaving ?? end);
  }
}

function framesOf({ headers, body }: HttpReply): BatchedFrame[] | undefined {
  if (headers['content-encoding'] !== 'gzip') return decodeBatch(body);
  try {
    return decodeBatch(gunzipSync(body, { maxOutputLength: LIMITS.pollBodyBytes }));
  } catch {
    return undefined;
  }
}

function retryAfterOf({ headers }: HttpReply): number {
  return Number(headers['retry-after'] ?? 0) * 1_000 || 0;
}

/** The end of the session, with the code with which a WebSocket would have been closed. */
function endOf({ body }: HttpReply): WireEnd {
  try {
    const { closeCode, closeReason } = JSON.parse(body.toString('utf8')) as {
      closeCode?: number;
      closeReason?: string;
    };
    if (typeof closeCode === 'number') return { kind: 'closed', code: closeCode, reason: closeReason ?? '' };
  } catch {
    // Reported below.
  }
  return { kind: 'lost', message: 'a 410 without a code' };
}
