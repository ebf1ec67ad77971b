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
import { readServerFrame, type ServerFrame } from './server-frame.js';
import type { ConnectionEnd, ConnectionEvents, ConnectionState } from '../contract/session-connection.js';
import type { SendOptions, SendResult } from '../contract/session.js';

/** Carries the frames of one session. */
export interface Transport {
  /** Takes a frame, however much is buffered already. `ageMs`: what it says is so old already. */
  write(frame: Uint8Array, ageMs?: number): void;
  /** Bytes that were written and have not been sent yet. */
  readonly bufferedBytes: number;
  /** `false` once the other side has begun to close it. */
  readonly isOpen: boolean;
  /** Orderly end. */
  close(reason: CloseReason): void;
  /** Ends it without waiting for the gateway. */
  cut(): void;
}

export interface ProtocolHandlerOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From the first attempt to reach the gateway to its first answer. */
  readonly openTimeoutMs: number;
  readonly hello: (challenge: ChallengeBody) => HelloBody;
}

/** From the first attempt to reach the gateway to WELCOME. */
const CONNECT_TIMEOUT_MS = 15_000;
/** How long an orderly end may take. */
export const CLOSE_TIMEOUT_MS = 2_000;
/** Frames that are not urgent wait above this. */
const HIGH_WATER_BYTES = 256 * 1024;
/** A gateway that leaves this much unread is cut off, so that the buffer is bounded. */
const MAX_BUFFERED_BYTES = 2 * 1024 * 1024;

/**
 * The frames of one session and their order, over any transport: CHALLENGE, HELLO, WELCOME, then the frames of the
 * ready session.
 */
export class ProtocolHandler {
  readonly #options: ProtocolHandlerOptions;
  readonly #events: ConnectionEvents;
  #state: ConnectionState = 'connecting';
  #deadline: Timer | undefined;
  readonly #connectByMs: number;
  /** Why the agent ends it. Frames that still arrive are ignored. */
  #leaving: string | undefined;
  #starved = false;
  #serverTimeMs = 0;

  constructor(options: ProtocolHandlerOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#endBy(Math.min(options.openTimeoutMs, CONNECT_TIMEOUT_MS));
    this.#connectByMs = options.clock.monotonic() + CONNECT_TIMEOUT_MS;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** What CHALLENGE said that the time is; 0 before it. */
  get serverTimeMs(): number {
    return this.#serverTimeMs;
  }

  /** The agent is ending it, or it has ended. */
  get isOver(): boolean {
    return this.#leaving !== undefined || this.#state === 'closed';
  }

  /** The transport is open. CHALLENGE comes next. */
  opened(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'open';
    this.#endBy(this.#connectByMs - this.#options.clock.monotonic());
  }

  send(type: FrameType, ref: number, body: Uint8Array, options: SendOptions = {}): SendResult {
    const { flags = 0, urgent = false, ageMs } = options;
    const { transport } = this.#options;
    if (this.#state !== 'ready' || this.isOver || !transport.isOpen) return 'closed';
    const buffered = transport.bufferedBytes;
    if (buffered > MAX_BUFFERED_BYTES) {
      this.cut('gateway_does_not_read');
      return 'closed';
    }
    if (buffered > HIGH_WATER_BYTES && !urgent) {
      this.#starved = true;
      return 'full';
    }
    transport.write(encodeFrame(type, ref, body, flags), ageMs);
    return 'sent';
  }

  /** Some of the buffered bytes were sent. */
  drained(): void {
    if (!this.#starved || this.#state !== 'ready' || this.#options.transport.bufferedBytes > HIGH_WATER_BYTES / 2)
      return;
    this.#starved = false;
    this.#events.onWritable();
  }

  /** One message from the gateway. It waited there for `ageMs` before it was sent. */
  receive(bytes: Uint8Array, ageMs = 0): void {
    if (this.isOver) return;
    const read = readServerFrame(bytes);
    if (read.ok) return this.#onFrame(agedFrame(read.frame, ageMs));
    const { fault, detail, isPassedOver } = read;
    if (isPassedOver !== true) return this.protocolError(fault, 'protocolError', detail);
    this.#options.logger.warn('frame of the gateway is not understood, and has no effect', { fault, detail });
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
    this.#options.transport.close(reason);
  }

  /** Ends it without waiting for the gateway. */
  cut(why: string): void {
    if (this.#state === 'closed') return;
    this.#leaving ??= why;
    this.#options.transport.cut();
  }

  /** The transport has ended; only the first call counts. If the agent ended it, the end is `abandoned` in any case. */
  end(end: ConnectionEnd): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#options.clock.clear(this.#deadline);
    this.#events.onEnd(this.#leaving === undefined ? end : { kind: 'abandoned', why: this.#leaving });
  }

  /** Ends the attempt unless there is a session within this time. */
  #endBy(delayMs: number): void {
    const { clock } = this.#options;
    clock.clear(this.#deadline);
    this.#deadline = clock.setTimeout(() => this.cut('no_session_in_time'), delayMs);
  }

  #onFrame(frame: ServerFrame): void {
    switch (frame.kind) {
      case 'challenge':
        return this.#state === 'open' ? this.#onChallenge(frame.body) : this.#unexpected(frame.kind);
      case 'welcome':
        return this.#state === 'helloSent' ? this.#onWelcome(frame.body) : this.#unexpected(frame.kind);
      case 'error':
        return this.#onError(frame.body);
      default:
        return this.#state === 'ready' ? this.#events.onFrame(frame) : this.#unexpected(frame.kind);
    }
  }

  #onError({ code, message }: ErrorBody): void {
    // Superseded: usually by the agent's own next session. If another process took over, the close code says so.
    const level = code === 'superseded' ? 'debug' : 'warn';
    this.#options.logger[level]('gateway reported an error', { code, detail: message });
  }

  #onChallenge(challenge: ChallengeBody): void {
    this.#state = 'helloSent';
    this.#serverTimeMs = challenge.serverTimeMs;
    const { hello, transport } = this.#options;
    transport.write(encodeFrame(FRAME.hello, 0, encodeBody('hello', hello(challenge))));
  }

  #onWelcome(welcome: WelcomeBody): void {
    this.#options.clock.clear(this.#deadline);
    this.#state = 'ready';
    this.#events.onReady(welcome);
  }

  #unexpected(kind: ServerFrame['kind']): void {
    this.protocolError(`${kind}_out_of_turn`);
  }
}
