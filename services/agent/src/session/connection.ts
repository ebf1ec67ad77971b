import type { Agent } from 'node:http';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import {
  type ChallengeBody,
  CLOSE,
  type CloseReason,
  type CommandBody,
  type CommandCancelBody,
  encodeBody,
  encodeFrame,
  FRAME,
  type FrameType,
  type HelloBody,
  LIMITS,
  type QueryBody,
  type ReconnectBody,
  type ReportKeptBody,
  SUBPROTOCOL,
  type WelcomeBody,
} from '@muster/protocol';
import { WebSocket } from 'ws';
import { Heartbeat } from './heartbeat.js';
import { readServerFrame, type ServerFrame } from './server-frame.js';
import { readRefusal, type Refusal } from './upgrade-refusal.js';

/**
 *                 101            CHALLENGE           HELLO sent           WELCOME
 *  connecting ──────────▶ open ────────────▶ challenged ───────▶ helloSent ───────▶ ready
 *      │                    │                    │                   │                │
 *      └────────────────────┴────────────────────┴───────────────────┴────────────────┴──▶ closed
 *         refused, failed, closed by either side, silent, bytes that are no frame of the protocol
 */
export type ConnectionState = 'connecting' | 'open' | 'helloSent' | 'ready' | 'closed';

/** How a connection ended. */
export type ConnectionEnd =
  /** Never opened: name resolution, TCP, TLS, or no answer in time. */
  | { readonly kind: 'failed'; readonly error: Error }
  /** Never opened: an HTTP response instead of an upgrade. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** Closed by the gateway, or cut (1006). */
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  /** Given up by us. `why` is one of a few constant texts. */
  | { readonly kind: 'abandoned'; readonly why: string };

export interface ConnectionEvents {
  onReady(welcome: WelcomeBody): void;
  onQuery(ref: number, body: QueryBody): void;
  onCancel(ref: number): void;
  onCredit(ref: number, bytes: number): void;
  onReconnect(body: ReconnectBody): void;
  onCommand(body: CommandBody): void;
  onCommandCancel(body: CommandCancelBody): void;
  onReportKept(body: ReportKeptBody): void;
  /** There is room again after a `send` said `full`. */
  onWritable(): void;
  /** The last event, exactly once. */
  onEnd(end: ConnectionEnd, wasReady: boolean): void;
}

/** An address and a TCP port. */
export interface NetworkEnd {
  readonly host: string;
  readonly port: number;
}

export interface ConnectionOptions {
  /** `wss://host:port/v1/live`. */
  readonly url: string;
  readonly token: string;
  /** PEM of the only certificate authority to trust; the system's when absent. */
  readonly ca?: string | undefined;
  /** What opens the connection, where a proxy is on the way. */
  readonly agent?: Agent | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly hello: (challenge: ChallengeBody) => HelloBody;
}

/** What became of a frame: `full` means not taken, `onWritable` will follow; `closed` that nobody will read it. */
export type SendResult = 'sent' | 'full' | 'closed';

const CONNECT_TIMEOUT_MS = 15_000;
const CLOSE_TIMEOUT_MS = 2_000;
/** However rarely a gateway wants to be pinged, a dead one is noticed within ten minutes. */
const MAX_HEARTBEAT_MS = 5 * 60_000;
/** Data frames wait above this; the small frames that say how a query ended do not. */
const HIGH_WATER_BYTES = 256 * 1024;
/** A gateway that lets this much pile up does not read; without a bound it could make us hold any amount. */
const MAX_BUFFERED_BYTES = 2 * 1024 * 1024;

/** One WebSocket to one gateway, from the upgrade to its end. Knows the frames and their order, nothing of retries and queries. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #socket: WebSocket;
  #state: ConnectionState = 'connecting';
  #deadline: Timer | undefined;
  #closing: Timer | undefined;
  #heartbeat: Heartbeat | undefined;
  #abandoned: string | undefined;
  #refusing = false;
  #failure: Error | undefined;
  #starved = false;
  #ends: readonly NetworkEnd[] = [];

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#socket = new WebSocket(options.url, [SUBPROTOCOL], {
      perMessageDeflate: false,
      maxPayload: LIMITS.frameBytes,
      followRedirects: false,
      headers: { authorization: `Bearer ${options.token}` },
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(options.agent === undefined ? {} : { agent: options.agent }),
    });
    this.#deadline = options.clock.setTimeout(() => this.#abandon('no_session_in_time'), CONNECT_TIMEOUT_MS);
    this.#listen();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get rttMs(): number | undefined {
    return this.#heartbeat?.rttMs;
  }

  /** Both ends of the TCP connection; none before the upgrade. */
  get ends(): readonly NetworkEnd[] {
    return this.#ends;
  }

  /** Sends a frame; `urgent` ones are taken above the high-water mark too. */
  send(type: FrameType, ref: number, body: Uint8Array, options: { flags?: number; urgent?: boolean } = {}): SendResult {
    if (this.#state !== 'ready' || this.#socket.readyState !== WebSocket.OPEN) return 'closed';
    const buffered = this.#socket.bufferedAmount;
    if (buffered > MAX_BUFFERED_BYTES) {
      this.#abandon('gateway_does_not_read');
      return 'closed';
    }
    if (buffered > HIGH_WATER_BYTES && options.urgent !== true) {
      this.#starved = true;
      return 'full';
    }
    this.#write(encodeFrame(type, ref, body, options.flags ?? 0));
    return 'sent';
  }

  /** Orderly end; the socket is cut when the gateway does not answer the close frame in time. Idempotent. */
  close(reason: CloseReason, why: string): void {
    if (this.#state === 'closed' || this.#abandoned !== undefined) return;
    this.#abandoned = why;
    this.#heartbeat?.stop();
    this.#closing = this.#options.clock.setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS);
    this.#socket.close(CLOSE[reason].code);
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('upgrade', ({ socket: { localAddress, localPort, remoteAddress, remotePort } }) => {
      this.#ends = [networkEnd(remoteAddress, remotePort), networkEnd(localAddress, localPort)].flat();
    });
    socket.on('open', () => {
      this.#state = 'open';
    });
    socket.on('message', (data, isBinary) => {
      if (this.#abandoned !== undefined || this.#state === 'closed') return;
      this.#heartbeat?.heard();
      if (isBinary) this.#receive(data as Buffer);
      else this.#protocolError('text_message', 'unsupportedData');
    });
    socket.on('ping', () => this.#heartbeat?.heard());
    socket.on('pong', (data) => this.#heartbeat?.pong(data));
    socket.on('unexpected-response', (_request, response) => {
      this.#refusing = true;
      // The deadline stays armed: it bounds the reading of a body that trickles.
      void readRefusal(response, this.#options.clock.now()).then((refusal) => {
        this.#end({ kind: 'refused', refusal });
        socket.terminate();
      });
    });
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
    socket.on('close', (code, reason) => {
      if (this.#abandoned !== undefined) this.#end({ kind: 'abandoned', why: this.#abandoned });
      else if (this.#refusing) return;
      else if (this.#state === 'connecting') {
        this.#end({
          kind: 'failed',
          error: this.#failure ?? new Error('the connection was closed before it was open'),
        });
      } else {
        this.#end({ kind: 'closed', code, reason: reason.toString('utf8').slice(0, 123) });
      }
    });
  }

  #receive(bytes: Buffer): void {
    const read = readServerFrame(bytes);
    if (!read.ok) return this.#protocolError(read.fault, 'protocolError', read.detail);
    const { frame } = read;
    switch (frame.kind) {
      case 'challenge':
        return this.#state === 'open' ? this.#onChallenge(frame.body) : this.#outOfTurn(frame.kind);
      case 'welcome':
        return this.#state === 'helloSent' ? this.#onWelcome(frame.body) : this.#outOfTurn(frame.kind);
      case 'error':
        return this.#options.log.warn('gateway reported an error', {
          code: frame.body.code,
          detail: frame.body.message,
        });
      default:
        return this.#state === 'ready' ? this.#onReadyFrame(frame) : this.#outOfTurn(frame.kind);
    }
  }

  #onChallenge(challenge: ChallengeBody): void {
    this.#state = 'helloSent';
    this.#write(encodeFrame(FRAME.hello, 0, encodeBody('hello', this.#options.hello(challenge))));
  }

  #onWelcome(welcome: WelcomeBody): void {
    const { clock, random } = this.#options;
    clock.clear(this.#deadline);
    this.#state = 'ready';
    this.#heartbeat = new Heartbeat({
      clock,
      random,
      everyMs: Math.min(welcome.heartbeatMs, MAX_HEARTBEAT_MS),
      sendPing: (data) => this.#socket.ping(data),
      onSilent: () => this.#abandon('gateway_silent'),
    });
    this.#events.onReady(welcome);
  }

  #onReadyFrame(frame: Exclude<ServerFrame, { kind: 'challenge' | 'welcome' | 'error' }>): void {
    switch (frame.kind) {
      case 'reconnect':
        return this.#events.onReconnect(frame.body);
      case 'query':
        return this.#events.onQuery(frame.ref, frame.body);
      case 'cancel':
        return this.#events.onCancel(frame.ref);
      case 'credit':
        return this.#events.onCredit(frame.ref, frame.body.bytes);
      case 'command':
        return this.#events.onCommand(frame.body);
      case 'commandCancel':
        return this.#events.onCommandCancel(frame.body);
      case 'reportKept':
        return this.#events.onReportKept(frame.body);
    }
  }

  #outOfTurn(kind: ServerFrame['kind']): void {
    this.#protocolError(`${kind}_out_of_turn`);
  }

  #write(frame: Uint8Array): void {
    this.#socket.send(frame, { binary: true, compress: false }, () => {
      if (!this.#starved || this.#socket.bufferedAmount > HIGH_WATER_BYTES / 2 || this.#state !== 'ready') return;
      this.#starved = false;
      this.#events.onWritable();
    });
  }

  #protocolError(fault: string, reason: CloseReason = 'protocolError', detail?: string): void {
    this.#options.log.warn('gateway broke the protocol', { fault, ...(detail === undefined ? {} : { detail }) });
    this.close(reason, `protocol_error:${fault}`);
  }

  /** Cuts the socket: for peers that would not take part in an orderly end. */
  #abandon(why: string): void {
    if (this.#state === 'closed') return;
    this.#abandoned ??= why;
    this.#socket.terminate();
    if (this.#refusing) this.#end({ kind: 'abandoned', why: this.#abandoned });
  }

  #end(end: ConnectionEnd): void {
    if (this.#state === 'closed') return;
    const wasReady = this.#state === 'ready';
    this.#state = 'closed';
    const { clock } = this.#options;
    clock.clear(this.#deadline);
    clock.clear(this.#closing);
    this.#heartbeat?.stop();
    this.#events.onEnd(end, wasReady);
  }
}

function networkEnd(host: string | undefined, port: number | undefined): NetworkEnd[] {
  return host === undefined || port === undefined ? [] : [{ host, port }];
}
