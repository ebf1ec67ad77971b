import {
  type ChallengeBody,
  CLOSE,
  type CloseReason,
  decodeBatch,
  type FrameType,
  type HelloBody,
  LIMITS,
  POLL_AFTER_HEADER,
} from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import { bytesByPurpose } from '../traffic/batch-bytes.js';
import type { SessionTraffic } from '../traffic/traffic-meter.js';
import type { NetworkEnd } from '../network/network-end.js';
import { CLOSE_TIMEOUT_MS, ProtocolHandler } from './protocol-handler.js';
import { PollConversation, type PollOutcome, type PollPlace } from './poll-conversation.js';
import { PollOutbox } from './poll-outbox.js';
import type { PollResponse } from './poll-request.js';
import {
  type ConnectionEnd,
  type ConnectionEvents,
  type ConnectionState,
  type SendOptions,
  type SendResult,
  type SessionConnection,
} from '../contract/session-connection.js';

export interface PollConnectionOptions {
  /** The gateway to open it at, and others of the deployment; their agents are ours alone, and end with the session. */
  readonly places: readonly [PollPlace, ...PollPlace[]];
  readonly token: string;
  /** PEM of the only certificate authority to trust; the system's when absent. */
  readonly ca?: string | undefined;
  readonly intervalMs: number;
  readonly traffic: SessionTraffic;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly hello: (challenge: ChallengeBody) => HelloBody;
}

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
  readonly #protocol: ProtocolHandler;
  readonly #outbox: PollOutbox;
  readonly #conversation: PollConversation;
  /** The orderly end has begun: nothing is waited for. */
  readonly #leaving = new AbortController();
  /** It has taken too long. */
  readonly #cut = new AbortController();
  /** The same for requests before the session is ready: an end does not wait for the one that is answered when it is. */
  readonly #unready = new AbortController();
  #intervalMs: number;
  /** The number of the last frame that came. */
  #have = 0;
  #closing: Timer | undefined;
  #due: Timer | undefined;
  #wake: (() => void) | undefined;

  constructor(options: PollConnectionOptions, events: ConnectionEvents) {
    this.#options = options;
    const { clock, hello, intervalMs, logger, places, traffic } = options;
    this.#intervalMs = intervalMs;
    const outbox = new PollOutbox(clock);
    this.#outbox = outbox;
    this.#conversation = new PollConversation(options);
    const transport = {
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
    this.#protocol = new ProtocolHandler(
      { transport, clock, logger, hello },
      {
        ...events,
        onReady: (welcome) => {
          traffic.ready();
          events.onReady(welcome);
        },
        onEnd: (end) => {
          clock.clear(this.#closing);
          for (const { agent } of places) agent.destroy();
          traffic.end();
          events.onEnd(end);
        },
      },
    );
    void this.#run();
  }

  get state(): ConnectionState {
    return this.#protocol.state;
  }

  get rttMs(): number | undefined {
    return this.#conversation.rttMs;
  }

  get ends(): readonly NetworkEnd[] {
    return this.#conversation.ends;
  }

  send(type: FrameType, ref: number, body: Uint8Array, options?: SendOptions): SendResult {
    return this.#protocol.send(type, ref, body, options);
  }

  pollEvery(intervalMs: number): void {
    if (intervalMs === this.#intervalMs) return;
    this.#intervalMs = intervalMs;
    // While it rests, the next poll is due at another time now.
    if (this.#due !== undefined) this.#armDue(this.#drawIntervalMs());
  }

  close(reason: CloseReason, why: string): void {
    this.#protocol.close(reason, why);
  }

  /** What was said goes out before the end, as with a WebSocket; but not for ever. */
  #beginClose(): void {
    this.#closing = this.#options.clock.setTimeout(() => this.#endNow(), CLOSE_TIMEOUT_MS);
    this.#leaving.abort();
    this.#wake?.();
    if (this.#protocol.state !== 'ready') this.#unready.abort();
  }

  #endNow(): void {
    this.#leaving.abort();
    this.#unready.abort();
    this.#cut.abort();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    this.#protocol.end(await this.#live());
  }

  /** The whole session; how it ended. */
  async #live(): Promise<ConnectionEnd> {
    const opened = await this.#conversation.open(this.#unready.signal);
    if (opened.kind !== 'answered') return this.#endOf(opened);
    this.#protocol.opened();
    this.#take(opened.response);
    for (;;) {
      const batch = await this.#outbox.next();
      if (batch === undefined && this.#leaving.signal.aborted) return this.#leave();
      const signal = this.#protocol.state === 'ready' ? this.#cut.signal : this.#unready.signal;
      const outcome = await this.#conversation.ask({ batch, have: this.#have }, signal, this.#leaving.signal);
      if (outcome.kind !== 'answered') return this.#endOf(outcome);
      if (batch !== undefined) {
        this.#outbox.taken(outcome.response.tookMs);
        for (const [purpose, bytes] of batch.traffic) this.#options.traffic.sent(purpose, bytes);
      }
      const had = this.#have;
      this.#take(outcome.response);
      this.#protocol.drained();
      await this.#rest(this.#restMs(outcome.response.headers, this.#have > had));
    }
  }

  async #endOf(outcome: Exclude<PollOutcome, { kind: 'answered' }>): Promise<ConnectionEnd> {
    if (outcome.kind === 'unreadable') {
      this.#protocol.protocolError('bad_batch', 'protocolError', outcome.detail);
      return this.#leave();
    }
    // A request that we gave up to leave may have been well.
    return outcome.kind === 'failed' && this.#leaving.signal.aborted ? this.#leave() : outcome;
  }

  async #leave(): Promise<ConnectionEnd> {
    await this.#conversation.end(this.#cut.signal);
    return { kind: 'closed', code: CLOSE.normal.code, reason: '' };
  }

  /** What an answer brings. What comes while we are leaving is not acknowledged, as nobody has looked at it. */
  #take({ batch, batchBytes, headers }: PollResponse): void {
    if (batch === undefined || this.#protocol.isOver) return;
    const frames = decodeBatch(batch);
    const upTo = numberOf(headers.etag);
    if (frames === undefined || upTo === undefined) return this.#protocol.protocolError('bad_batch');
    const bytes = bytesByPurpose(
      frames.map(({ frame }) => frame),
      batchBytes ?? batch.length,
    );
    for (const [purpose, count] of bytes) this.#options.traffic.received(purpose, count);
    let number = upTo - frames.length;
    if (number > this.#have) return this.#protocol.protocolError('frames_missing');
    for (const { ageMs, frame } of frames) {
      number += 1;
      if (number <= this.#have || this.#protocol.isOver) continue;
      this.#have = number;
      this.#protocol.receive(frame, ageMs);
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

  #restMs(headers: PollResponse['headers'], hasBrought: boolean): number {
    // Nothing was said of when WELCOME comes.
    if (this.#protocol.state !== 'ready') return UNREADY_MS;
    const said = headers[POLL_AFTER_HEADER];
    if (typeof said !== 'string' || !/^\d{1,10}$/.test(said)) return this.#drawIntervalMs();
    return Math.min(Math.max(Number(said), hasBrought ? 0 : LEAST_REST_MS), LIMITS.pollIntervalMaxMs);
  }

  #drawIntervalMs(): number {
    return this.#intervalMs - Math.floor((this.#options.random() * this.#intervalMs) / 10);
  }
}

/** The number in an `ETag`, which something on the way may have made weak. */
function numberOf(etag: string | undefined): number | undefined {
  const digits = /^(?:W\/)?"(\d{1,15})"$/.exec(etag ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}
