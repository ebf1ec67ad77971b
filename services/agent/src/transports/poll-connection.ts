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
import type {
  ConnectionEnd,
  ConnectionEvents,
  ConnectionState,
  SessionConnection,
} from '../contract/session-connection.js';
import type { SendOptions, SendResult } from '../contract/session.js';

export interface PollConnectionOptions {
  /**
   * The gateway to open it at, then the others of the deployment. Their HTTP agents belong to this session and end with
   * it.
   */
  readonly places: readonly [PollPlace, ...PollPlace[]];
  readonly token: string;
  readonly proof?: string;
  /** PEM of the only certificate authority to trust; absent: those of the system. */
  readonly ca?: string | undefined;
  readonly intervalMs: number;
  readonly openTimeoutMs: number;
  readonly traffic: SessionTraffic;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly hello: (challenge: ChallengeBody) => HelloBody;
}

/** Between two polls before WELCOME. */
const UNREADY_MS = 1_000;
/** The shortest time between two polls that bring nothing. */
const MIN_WAIT_MS = 50;

/**
 * One session in HTTP requests, one request at a time:
 *
 *  POST (opens) ─▶ POST (HELLO) ─▶ ┌──── wait until there are frames to send, or the interval is over ────┐ ─▶ DELETE
 *                                  └──────────── POST (frames) or GET, repeated until answered ◀──────────┘
 */
export class PollConnection implements SessionConnection {
  readonly mode = 'poll';
  readonly #options: PollConnectionOptions;
  readonly #protocol: ProtocolHandler;
  readonly #outbox: PollOutbox;
  readonly #conversation: PollConversation;
  /** Aborted when the orderly end begins. */
  readonly #leaving = new AbortController();
  /** Aborted when the orderly end has taken too long. */
  readonly #cut = new AbortController();
  /**
   * Aborts requests before the session is ready: the answer to HELLO can take long, and an orderly end does not wait
   * for it.
   */
  readonly #unready = new AbortController();
  readonly #onPoll: () => void;
  #intervalMs: number;
  /** The number of the last frame that was received. */
  #have = 0;
  #closing: Timer | undefined;
  #due: Timer | undefined;
  #wake: (() => void) | undefined;

  constructor(options: PollConnectionOptions, events: ConnectionEvents) {
    this.#options = options;
    const { clock, hello, intervalMs, logger, openTimeoutMs, places, traffic } = options;
    this.#intervalMs = intervalMs;
    this.#onPoll = () => events.onPoll?.();
    const outbox = new PollOutbox(clock);
    this.#outbox = outbox;
    this.#conversation = new PollConversation(options);
    const transport = {
      write: (frame: Uint8Array, ageMs?: number) => {
        outbox.add(frame, ageMs);
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
      { transport, clock, logger, openTimeoutMs, hello },
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

  get serverTimeMs(): number {
    return this.#protocol.serverTimeMs;
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
    // The next poll is due at another time now.
    if (this.#due !== undefined) this.#armDue(this.#drawIntervalMs());
  }

  close(reason: CloseReason, why: string): void {
    this.#protocol.close(reason, why);
  }

  /** Frames in the outbox are sent before the end, as with a WebSocket, within a bound. */
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
    this.#protocol.end(await this.#session());
  }

  /** Runs the whole session; resolves to how it ended. */
  async #session(): Promise<ConnectionEnd> {
    const opened = await this.#conversation.open(this.#unready.signal);
    if (opened.kind !== 'answered') return this.#endOf(opened);
    this.#protocol.opened();
    this.#take(opened.response);
    for (;;) {
      if (this.#protocol.state === 'ready') this.#onPoll();
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
      await this.#wait(this.#waitMs(outcome.response.headers, this.#have > had));
    }
  }

  async #endOf(outcome: Exclude<PollOutcome, { kind: 'answered' }>): Promise<ConnectionEnd> {
    if (outcome.kind === 'unreadable') {
      this.#protocol.protocolError('bad_batch', 'protocolError', outcome.detail);
      return this.#leave();
    }
    // A request that was aborted because the session ends says nothing about the connection.
    return outcome.kind === 'failed' && this.#leaving.signal.aborted ? this.#leave() : outcome;
  }

  async #leave(): Promise<ConnectionEnd> {
    await this.#conversation.end(this.#cut.signal);
    return { kind: 'closed', code: CLOSE.normal.code, reason: '' };
  }

  /**
   * Handles the frames of an answer. Frames that arrive after the end has begun are neither handled nor acknowledged.
   */
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

  /**
   * Waits until there are frames to send, or the time is over. Frames of one turn of the event loop are sent together.
   */
  async #wait(delayMs: number): Promise<void> {
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

  #waitMs(headers: PollResponse['headers'], hasFrames: boolean): number {
    if (this.#protocol.state !== 'ready') return UNREADY_MS;
    const afterMs = headers[POLL_AFTER_HEADER];
    if (typeof afterMs !== 'string' || !/^\d{1,10}$/.test(afterMs)) return this.#drawIntervalMs();
    return Math.min(Math.max(Number(afterMs), hasFrames ? 0 : MIN_WAIT_MS), LIMITS.pollIntervalMaxMs);
  }

  #drawIntervalMs(): number {
    return this.#intervalMs - Math.floor((this.#options.random() * this.#intervalMs) / 10);
  }
}

/** The number in an `ETag`. A proxy may have made it a weak one. */
function numberOf(etag: string | undefined): number | undefined {
  const digits = /^(?:W\/)?"(\d{1,15})"$/.exec(etag ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}
