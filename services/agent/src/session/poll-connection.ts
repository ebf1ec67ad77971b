import type { Agent } from 'node:http';
import {
  type ChallengeBody,
  CLOSE,
  type CloseReason,
  decodeBatch,
  type FrameType,
  type HelloBody,
  LIMITS,
  POLL_AFTER_HEADER,
  POLL_MEDIA_TYPE,
  POLL_SEQUENCE_HEADER,
  POLL_SESSION_HEADER,
} from '@muster/protocol';
import { type Clock, fullJitter, type Logger, sleep, type Timer } from '@muster/runtime/program';
import { describeEnd } from './describe-end.js';
import { bytesByPurpose } from '../traffic/batch-bytes.js';
import type { SessionTraffic } from '../traffic/traffic-meter.js';
import { FrameExchange } from './frame-exchange.js';
import { type PollBatch, PollOutbox } from './poll-outbox.js';
import { BadBatch, type PollCall, PollRequester, type PollResponse } from './poll-request.js';
import {
  CLOSE_TIMEOUT_MS,
  type ConnectionEnd,
  type ConnectionEvents,
  type ConnectionState,
  type NetworkEnd,
  type SendOptions,
  type SendResult,
  type SessionConnection,
} from './session-connection.js';
import { parseRetryAfter, problemMembers, type Refusal } from './upgrade-refusal.js';

export interface PollConnectionOptions {
  /** `https://host:port/v1/poll`. */
  readonly url: string;
  readonly token: string;
  /** PEM of the only certificate authority to trust; the system's when absent. */
  readonly ca?: string | undefined;
  /** Holds the TCP connection and keeps it between two polls; ours alone, and ended with the session. */
  readonly agent: Agent;
  readonly intervalMs: number;
  readonly traffic: SessionTraffic;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly hello: (challenge: ChallengeBody) => HelloBody;
}

/** A request that got no answer of a gateway is repeated so often; another session may have more luck then. */
const REPEATS = 5;
/** Between two polls of a gateway that has not said WELCOME yet. */
const UNREADY_MS = 1_000;
/** No gateway needs to be asked more often for nothing. */
const LEAST_REST_MS = 50;

/**
 * One session with one gateway in HTTP requests, one at a time:
 *
 *  POST (opens) ─▶ POST (HELLO) ─▶ ┌── rest until there is something to say, or the interval is over ──┐ ─▶ DELETE
 *                                  └──────────── POST (frames) or GET, repeated until answered ◀────────┘
 */
export class PollConnection implements SessionConnection {
  readonly mode = 'poll';
  readonly #options: PollConnectionOptions;
  readonly #exchange: FrameExchange;
  readonly #outbox: PollOutbox;
  readonly #requests: PollRequester;
  /** The orderly end has begun: nothing is waited for. */
  readonly #leaving = new AbortController();
  /** It has taken too long. */
  readonly #cut = new AbortController();
  /** For the request that is answered when the session is ready: an end does not wait for that. */
  readonly #unready = new AbortController();
  #intervalMs: number;
  /** Names the session, and is its only secret. */
  #name: string | undefined;
  /** The number of the last frame that came. */
  #have = 0;
  #closing: Timer | undefined;
  #due: Timer | undefined;
  #wake: (() => void) | undefined;
  #rttMs: number | undefined;

  constructor(options: PollConnectionOptions, events: ConnectionEvents) {
    this.#options = options;
    const { agent, clock, hello, intervalMs, log, traffic } = options;
    this.#intervalMs = intervalMs;
    const outbox = new PollOutbox(clock);
    this.#outbox = outbox;
    this.#requests = new PollRequester(options);
    const wire = {
      write: (frame: Uint8Array) => {
        outbox.add(frame);
        this.#wake?.();
      },
      get bufferedBytes() {
        return outbox.bytes;
      },
      isOpen: true,
      close: () => this.#beginClose(),
      cut: () => this.#endNow(),
    };
    this.#exchange = new FrameExchange(
      { wire, clock, log, hello },
      {
        ...events,
        onReady: (welcome) => {
          traffic.ready();
          events.onReady(welcome);
        },
        onEnd: (end) => {
          clock.clear(this.#closing);
          agent.destroy();
          traffic.end();
          events.onEnd(end);
        },
      },
    );
    void this.#run();
  }

  get state(): ConnectionState {
    return this.#exchange.state;
  }

  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  get ends(): readonly NetworkEnd[] {
    return this.#requests.ends;
  }

  send(type: FrameType, ref: number, body: Uint8Array, options?: SendOptions): SendResult {
    return this.#exchange.send(type, ref, body, options);
  }

  pollEvery(intervalMs: number): void {
    if (intervalMs === this.#intervalMs) return;
    this.#intervalMs = intervalMs;
    // While it rests, the next poll is due at another time now.
    if (this.#due !== undefined) this.#armDue(this.#drawIntervalMs());
  }

  close(reason: CloseReason, why: string): void {
    this.#exchange.close(reason, why);
  }

  /** What was said goes out before the end, as with a WebSocket; but not for ever. */
  #beginClose(): void {
    this.#closing = this.#options.clock.setTimeout(() => this.#endNow(), CLOSE_TIMEOUT_MS);
    this.#leaving.abort();
    this.#wake?.();
    if (this.#exchange.state !== 'ready') this.#unready.abort();
  }

  #endNow(): void {
    this.#leaving.abort();
    this.#cut.abort();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    this.#exchange.end(await this.#live().catch(failed));
  }

  /** The whole session; how it ended. */
  async #live(): Promise<ConnectionEnd> {
    const refused = await this.#open();
    if (refused !== undefined) return refused;
    for (;;) {
      const batch = await this.#outbox.next();
      if (batch === undefined && this.#leaving.signal.aborted) return this.#delete();
      const reply = await this.#ask(batch);
      if ('kind' in reply) return this.#leaving.signal.aborted && reply.kind === 'failed' ? this.#delete() : reply;
      if (batch !== undefined) this.#outbox.taken();
      this.#take(reply);
      this.#exchange.drained();
      await this.#rest(this.#restMs(reply));
    }
  }

  async #open(): Promise<ConnectionEnd | undefined> {
    const { token } = this.#options;
    const headers = { authorization: `Bearer ${token}`, accept: POLL_MEDIA_TYPE };
    const response = await this.#send({ method: 'POST', headers });
    if (response.status !== 200) return { kind: 'refused', refusal: this.#refusal(response) };
    const name = response.headers[POLL_SESSION_HEADER];
    if (typeof name !== 'string' || response.batch === undefined) {
      return { kind: 'failed', error: new Error("the answer to the poll is no gateway's") };
    }
    this.#name = name;
    this.#exchange.opened();
    this.#take(response);
    return undefined;
  }

  /** One request, repeated until it is answered, or for as long as that has a point. */
  async #ask(batch: PollBatch | undefined): Promise<PollResponse | ConnectionEnd> {
    const { clock, log, random } = this.#options;
    const backoff = fullJitter({ baseMs: 1_000, capMs: 60_000, random });
    for (let repeats = 0; ; repeats += 1) {
      const outcome = await this.#askOnce(batch);
      if (!('failure' in outcome)) return outcome;
      const { failure } = outcome;
      if (repeats === REPEATS || this.#leaving.signal.aborted) return failure;
      const delayMs = backoff.next(failure.kind === 'refused' ? failure.refusal.retryAfterMs : undefined);
      log.info('poll failed', { repeats, retryInMs: delayMs, ...describeEnd(failure) });
      if ((await sleep(clock, delayMs, this.#leaving.signal)) === 'aborted') return failure;
    }
  }

  /** `failure` is one that may pass: the same request can be made again. */
  async #askOnce(batch: PollBatch | undefined): Promise<PollResponse | ConnectionEnd | { failure: ConnectionEnd }> {
    let response: PollResponse;
    try {
      response = await this.#send(this.#call(batch));
    } catch (error) {
      if (!(error instanceof BadBatch)) return { failure: failed(error) };
      this.#exchange.protocolError('bad_batch', 'protocolError', error.message);
      return this.#delete();
    }
    // Frames of a request that nobody answered have only kept the wire busy.
    for (const [purpose, bytes] of batch?.traffic ?? []) this.#options.traffic.sent(purpose, bytes);
    const { batch: frames, status, text, tookMs } = response;
    if (status === 204 || (status === 304 && batch === undefined) || frames !== undefined) {
      this.#rttMs = tookMs;
      return response;
    }
    const refusal = this.#refusal(response);
    if (refusal.code === 'session_ended') return { kind: 'closed', ...closeOf(text) };
    // A gateway's word about this agent or this request stands; that of a gateway in trouble, or of something before it, may pass.
    const isFinal = refusal.code !== undefined && status < 500 && status !== 429;
    return isFinal ? { kind: 'refused', refusal } : { failure: { kind: 'refused', refusal } };
  }

  #send(call: PollCall): Promise<PollResponse> {
    const isReady = this.#exchange.state === 'ready';
    return this.#requests.send(
      call,
      isReady ? this.#cut.signal : AbortSignal.any([this.#cut.signal, this.#unready.signal]),
    );
  }

  #call(batch: PollBatch | undefined): PollCall {
    const headers = {
      [POLL_SESSION_HEADER]: this.#name ?? '',
      ...(this.#have === 0 ? {} : { 'if-none-match': `"${this.#have}"` }),
      'accept-encoding': 'gzip',
    };
    if (batch === undefined) return { method: 'GET', headers };
    return {
      method: 'POST',
      headers: {
        ...headers,
        [POLL_SEQUENCE_HEADER]: String(batch.sequence),
        'content-type': POLL_MEDIA_TYPE,
        ...(batch.isCompressed ? { 'content-encoding': 'gzip' } : {}),
      },
      body: batch.body,
    };
  }

  /** What an answer brings. What comes while we are leaving is not acknowledged, as nobody has looked at it. */
  #take({ batch, batchBytes, headers }: PollResponse): void {
    if (batch === undefined || this.#exchange.isOver) return;
    const frames = decodeBatch(batch);
    const upTo = numberOf(headers.etag);
    if (frames === undefined || upTo === undefined) return this.#exchange.protocolError('bad_batch');
    const bytes = bytesByPurpose(
      frames.map(({ frame }) => frame),
      batchBytes ?? batch.length,
    );
    for (const [purpose, count] of bytes) this.#options.traffic.received(purpose, count);
    let number = upTo - frames.length;
    if (number > this.#have) return this.#exchange.protocolError('frames_missing');
    for (const { ageMs, frame } of frames) {
      number += 1;
      if (number <= this.#have || this.#exchange.isOver) continue;
      this.#have = number;
      this.#exchange.receive(frame, ageMs);
    }
  }

  /** Until there is something to say, or the time is over. What is said in one turn goes out together. */
  async #rest(delayMs: number): Promise<void> {
    if (this.#outbox.bytes === 0 && !this.#leaving.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#armDue(delayMs);
      });
      this.#options.clock.clear(this.#due);
      this.#due = undefined;
      this.#wake = undefined;
    }
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #armDue(delayMs: number): void {
    this.#options.clock.clear(this.#due);
    this.#due = this.#options.clock.setTimeout(() => this.#wake?.(), delayMs);
  }

  #restMs({ headers, status }: PollResponse): number {
    // Nothing was said of when WELCOME comes.
    if (this.#exchange.state !== 'ready') return UNREADY_MS;
    const said = headers[POLL_AFTER_HEADER];
    if (typeof said !== 'string' || !/^\d{1,10}$/.test(said)) return this.#drawIntervalMs();
    return Math.min(Math.max(Number(said), status === 200 ? 0 : LEAST_REST_MS), LIMITS.pollIntervalMaxMs);
  }

  #drawIntervalMs(): number {
    return this.#intervalMs - Math.floor((this.#options.random() * this.#intervalMs) / 10);
  }

  /** Tells the gateway that it is over; it finds out by itself when this fails. */
  async #delete(): Promise<ConnectionEnd> {
    const headers = { [POLL_SESSION_HEADER]: this.#name ?? '' };
    await this.#requests.send({ method: 'DELETE', headers }, this.#cut.signal).catch(() => {});
    return { kind: 'closed', code: CLOSE.normal.code, reason: '' };
  }

  #refusal({ headers, status, text }: PollResponse): Refusal {
    const retryAfterMs = parseRetryAfter(headers['retry-after'], this.#options.clock.now());
    return { status, ...problemMembers(text), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
}

function failed(error: unknown): ConnectionEnd {
  return { kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
}

/** The number in an `ETag`, which something on the way may have made weak. */
function numberOf(etag: string | undefined): number | undefined {
  const digits = /^(?:W\/)?"(\d{1,15})"$/.exec(etag ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function closeOf(problem: string): { code: number; reason: string } {
  const { closeCode, closeReason } = JSON.parse(problem) as { closeCode?: unknown; closeReason?: unknown };
  return {
    code: Number.isInteger(closeCode) ? Number(closeCode) : CLOSE.goingAway.code,
    reason: typeof closeReason === 'string' ? closeReason.slice(0, 123) : '',
  };
}
