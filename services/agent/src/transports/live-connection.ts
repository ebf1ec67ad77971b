import type { Agent } from 'node:http';
import {
  type ChallengeBody,
  CLOSE,
  CONNECT_PROOF_HEADER,
  type FrameType,
  type HelloBody,
  LIMITS,
  SUBPROTOCOL,
  type WelcomeBody,
} from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import { WebSocket } from 'ws';
import { type NetworkEnd, socketEnds } from '../network/network-end.js';
import { CLOSE_TIMEOUT_MS, ProtocolHandler } from './protocol-handler.js';
import { purposeOf, type TrafficPurpose, webSocketHeadBytes } from '../traffic/purpose.js';
import type { SessionTraffic } from '../traffic/traffic-meter.js';
import { Heartbeat } from './heartbeat.js';
import type { ConnectionEvents, ConnectionState, SessionConnection } from '../contract/session-connection.js';
import type { SendOptions, SendResult } from '../contract/session.js';
import { readRefusal } from '../network/http-refusal.js';

export interface LiveConnectionOptions {
  /** `wss://host:port/v1/live`. */
  readonly url: string;
  readonly token: string;
  readonly proof?: string;
  /** PEM of the only certificate authority to trust; absent: those of the system. */
  readonly ca?: string | undefined;
  /** Opens the connection; needed where it goes through a proxy. */
  readonly agent?: Agent | undefined;
  readonly traffic: SessionTraffic;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly openTimeoutMs: number;
  readonly hello: (challenge: ChallengeBody) => HelloBody;
}

/** Upper bound for the interval that a gateway asks for, so that a dead gateway is noticed within ten minutes. */
const MAX_HEARTBEAT_MS = 5 * 60_000;

/** One session over a WebSocket, from the upgrade to its end. */
export class LiveConnection implements SessionConnection {
  readonly mode = 'live';
  readonly #options: LiveConnectionOptions;
  readonly #socket: WebSocket;
  readonly #protocol: ProtocolHandler;
  #closing: Timer | undefined;
  #heartbeat: Heartbeat | undefined;
  #takesHeartbeats = false;
  #refusing = false;
  #failure: Error | undefined;
  #ends: readonly NetworkEnd[] = [];

  constructor(options: LiveConnectionOptions, events: ConnectionEvents) {
    this.#options = options;
    const { agent, ca, clock, hello, logger, openTimeoutMs, proof, token, traffic, url } = options;
    const socket = new WebSocket(url, [SUBPROTOCOL], {
      perMessageDeflate: false,
      maxPayload: LIMITS.frameBytes,
      followRedirects: false,
      headers: {
        authorization: `Bearer ${token}`,
        ...(proof === undefined ? {} : { [CONNECT_PROOF_HEADER]: proof }),
      },
      ...(ca === undefined ? {} : { ca }),
      ...(agent === undefined ? {} : { agent }),
    });
    this.#socket = socket;
    const transport = {
      write: (frame: Uint8Array) => {
        this.#heartbeat?.sent();
        this.#countSent(purposeOf(frame), frame.length);
        socket.send(frame, { binary: true, compress: false }, () => this.#protocol.drained());
      },
      get bufferedBytes() {
        return socket.bufferedAmount;
      },
      get isOpen() {
        return socket.readyState === WebSocket.OPEN;
      },
      close: (reason: keyof typeof CLOSE) => {
        this.#heartbeat?.stop();
        this.#closing = clock.setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
        socket.close(CLOSE[reason].code);
      },
      cut: () => {
        socket.terminate();
        // While the body of a refusal is read, the end of the socket is not waited for.
        if (this.#refusing) this.#protocol.end({ kind: 'abandoned', why: 'refused' });
      },
    };
    this.#protocol = new ProtocolHandler(
      { transport, clock, logger, openTimeoutMs, hello },
      {
        ...events,
        onReady: (welcome) => {
          traffic.ready();
          this.#startHeartbeat(welcome);
          events.onReady(welcome);
        },
        onEnd: (end) => {
          clock.clear(this.#closing);
          this.#heartbeat?.stop();
          traffic.end();
          events.onEnd(end);
        },
      },
    );
    this.#listen();
  }

  get state(): ConnectionState {
    return this.#protocol.state;
  }

  get serverTimeMs(): number {
    return this.#protocol.serverTimeMs;
  }

  get rttMs(): number | undefined {
    return this.#heartbeat?.rttMs;
  }

  get ends(): readonly NetworkEnd[] {
    return this.#ends;
  }

  send(type: FrameType, ref: number, body: Uint8Array, options?: SendOptions): SendResult {
    return this.#protocol.send(type, ref, body, options);
  }

  pollEvery(): void {}

  close(reason: keyof typeof CLOSE, why: string): void {
    this.#protocol.close(reason, why);
  }

  #listen(): void {
    const socket = this.#socket;
    const protocol = this.#protocol;
    socket.on('upgrade', (response) => void (this.#ends = socketEnds(response.socket)));
    socket.on('open', () => protocol.opened());
    socket.on('message', (data, isBinary) => {
      this.#heartbeat?.received();
      if (!isBinary) return protocol.protocolError('text_message', 'unsupportedData');
      const frame = data as Buffer;
      // The heartbeat of the gateway.
      if (frame.length === 0 && this.#takesHeartbeats) return this.#countReceived('heartbeat', 0);
      this.#countReceived(purposeOf(frame), frame.length);
      protocol.receive(frame);
    });
    // The library sends the pong before this is called.
    socket.on('ping', (data) => {
      this.#heartbeat?.received();
      this.#heartbeat?.sent();
      this.#countReceived('heartbeat', data.length);
      this.#countSent('heartbeat', data.length);
    });
    socket.on('pong', (data) => {
      this.#heartbeat?.pong();
      this.#countReceived('heartbeat', data.length);
    });
    socket.on('unexpected-response', (_request, response) => {
      this.#refusing = true;
      // The deadline still runs and bounds the reading of a slow body.
      void readRefusal(response, this.#options.clock.now()).then((refusal) => {
        protocol.end({ kind: 'refused', refusal });
        socket.terminate();
      });
    });
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
    socket.on('close', (code, reason) => {
      if (this.#refusing && !protocol.isOver) return;
      if (protocol.state === 'connecting') {
        const error = this.#failure ?? new Error('the connection was closed before it was open');
        protocol.end({ kind: 'failed', error });
      } else {
        protocol.end({ kind: 'closed', code, reason: reason.toString('utf8').slice(0, 123) });
      }
    });
  }

  #startHeartbeat({ heartbeatMs, gatewayHeartbeatMs }: WelcomeBody): void {
    const { clock, random } = this.#options;
    this.#takesHeartbeats = gatewayHeartbeatMs !== undefined;
    this.#heartbeat = new Heartbeat({
      clock,
      random,
      everyMs: Math.min(heartbeatMs, MAX_HEARTBEAT_MS),
      gatewayEveryMs: gatewayHeartbeatMs,
      sendPing: () => {
        this.#socket.ping();
        this.#countSent('heartbeat', 0);
      },
      sendPong: () => {
        this.#socket.pong();
        this.#countSent('heartbeat', 0);
      },
      onSilent: () => this.#protocol.cut('gateway_silent'),
    });
  }

  #countSent(purpose: TrafficPurpose, bytes: number): void {
    this.#options.traffic.sent(purpose, webSocketHeadBytes(bytes, true) + bytes);
  }

  #countReceived(purpose: TrafficPurpose, bytes: number): void {
    this.#options.traffic.received(purpose, webSocketHeadBytes(bytes, false) + bytes);
  }
}
