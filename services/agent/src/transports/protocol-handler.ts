import {
  type ChallengeBody,
  type CloseReason,
  encodeBody,
  encodeFrame,
  type ErrorBody,
  FRAME,
  type FrameType,
  type HelloBody,
  type WelcomeBody,
} from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import { agedFrame } from './frame-age.js';
import { readServerFrame, type ServerFrame } from '../contract/server-frame.js';
import {
  CONNECT_TIMEOUT_MS,
  type ConnectionEnd,
  type ConnectionEvents,
  type ConnectionState,
  type SendOptions,
  type SendResult,
} from '../contract/session-connection.js';

/** What carries the frames of one session. */
export interface Wire {
  /** Takes a frame, whatever waits already. */
  write(frame: Uint8Array): void;
  /** Bytes that were written and are not gone yet. */
  readonly bufferedBytes: number;
  /** `false` when the other side has begun to end it. */
  readonly isOpen: boolean;
  /** Orderly end. */
  close(reason: CloseReason): void;
  /** For peers that would not take part in an orderly end. */
  cut(): void;
}

export interface ProtocolHandlerOptions {
  readonly wire: Wire;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hello: (challenge: ChallengeBody) => HelloBody;
}

/** Data frames wait above this; the small frames that say how a query ended do not. */
const HIGH_WATER_BYTES = 256 * 1024;
/** A gateway that lets this much pile up does not read; without a bound it could make us hold any amount. */
const MAX_BUFFERED_BYTES = 2 * 1024 * 1024;

/** The frames of one session and their order, whatever carries them: CHALLENGE, HELLO, WELCOME, then the session's own until it ends. */
export class ProtocolHandler {
  readonly #options: ProtocolHandlerOptions;
  readonly #events: ConnectionEvents;
  #state: ConnectionState = 'connecting';
  #deadline: Timer | undefined;
  /** Why we end it; what still comes is not for us any more. */
  #leaving: string | undefined;
  #starved = false;

  constructor(options: ProtocolHandlerOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#deadline = options.clock.setTimeout(() => this.cut('no_session_in_time'), CONNECT_TIMEOUT_MS);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** We end it, or it has ended. */
  get isOver(): boolean {
    return this.#leaving !== undefined || this.#state === 'closed';
  }

  /** The way to the gateway is open: CHALLENGE comes next. */
  opened(): void {
    if (this.#state === 'connecting') this.#state = 'open';
  }

  send(type: FrameType, ref: number, body: Uint8Array, { flags = 0, urgent = false }: SendOptions = {}): SendResult {
    const { wire } = this.#options;
    if (this.#state !== 'ready' || this.isOver || !wire.isOpen) return 'closed';
    const buffered = wire.bufferedBytes;
    if (buffered > MAX_BUFFERED_BYTES) {
      this.cut('gateway_does_not_read');
      return 'closed';
    }
    if (buffered > HIGH_WATER_BYTES && !urgent) {
      this.#starved = true;
      return 'full';
    }
    wire.write(encodeFrame(type, ref, body, flags));
    return 'sent';
  }

  /** Some of what was written is gone. */
  drained(): void {
    if (!this.#starved || this.#state !== 'ready' || this.#options.wire.bufferedBytes > HIGH_WATER_BYTES / 2) return;
    this.#starved = false;
    this.#events.onWritable();
  }

  /** One message of the gateway, which waited for `ageMs` until it could be sent. */
  receive(bytes: Uint8Array, ageMs = 0): void {
    if (this.isOver) return;
    const read = readServerFrame(bytes);
    if (!read.ok) return this.protocolError(read.fault, 'protocolError', read.detail);
    this.#onFrame(agedFrame(read.frame, ageMs));
  }

  /** Ends the connection because the gateway broke the protocol. `fault` is one of a few constant words. */
  protocolError(fault: string, reason: CloseReason = 'protocolError', detail?: string): void {
    if (this.isOver) return;
    this.#options.logger.warn('gateway broke the protocol', { fault, ...(detail === undefined ? {} : { detail }) });
    this.close(reason, `protocol_error:${fault}`);
  }

  /** Orderly end. Idempotent. */
  close(reason: CloseReason, why: string): void {
    if (this.isOver) return;
    this.#leaving = why;
    this.#options.wire.close(reason);
  }

  /** The end without the other side's part in it. */
  cut(why: string): void {
    if (this.#state === 'closed') return;
    this.#leaving ??= why;
    this.#options.wire.cut();
  }

  /** The wire is gone; the first call counts. What we began to end ends as abandoned, however it went. */
  end(end: ConnectionEnd): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#options.clock.clear(this.#deadline);
    this.#events.onEnd(this.#leaving === undefined ? end : { kind: 'abandoned', why: this.#leaving });
  }

  #onFrame(frame: ServerFrame): void {
    switch (frame.kind) {
      case 'challenge':
        return this.#state === 'open' ? this.#onChallenge(frame.body) : this.#outOfTurn(frame.kind);
      case 'welcome':
        return this.#state === 'helloSent' ? this.#onWelcome(frame.body) : this.#outOfTurn(frame.kind);
      case 'error':
        return this.#onError(frame.body);
      default:
        return this.#state === 'ready' ? this.#events.onFrame(frame) : this.#outOfTurn(frame.kind);
    }
  }

  #onError({ code, message }: ErrorBody): void {
    // Usually by our own next session. Whoever loses its session to another process hears of it when it has none.
    const level = code === 'superseded' ? 'debug' : 'warn';
    this.#options.logger[level]('gateway reported an error', { code, detail: message });
  }

  #onChallenge(challenge: ChallengeBody): void {
    this.#state = 'helloSent';
    const { hello, wire } = this.#options;
    wire.write(encodeFrame(FRAME.hello, 0, encodeBody('hello', hello(challenge))));
  }

  #onWelcome(welcome: WelcomeBody): void {
    this.#options.clock.clear(this.#deadline);
    this.#state = 'ready';
    this.#events.onReady(welcome);
  }

  #outOfTurn(kind: ServerFrame['kind']): void {
    this.protocolError(`${kind}_out_of_turn`);
  }
}
