import type { ChallengeBody, CloseReason, FrameType, HelloBody, SessionMode, WelcomeBody } from '@muster/protocol';
import type { SessionFrame } from './server-frame.js';
import type { Refusal } from '../network/http-refusal.js';

/**
 *              opened          CHALLENGE: HELLO sent         WELCOME
 *  connecting ────────▶ open ────────────────────▶ helloSent ───────▶ ready
 *      │                  │                            │                │
 *      └──────────────────┴────────────────────────────┴────────────────┴──▶ closed
 *         refused, failed, ended by either side, silent, bytes that are no frame of the protocol
 */
export type ConnectionState = 'connecting' | 'open' | 'helloSent' | 'ready' | 'closed';

/** How a connection ended. */
export type ConnectionEnd =
  /** Never opened, or given up after several attempts: name resolution, TCP, TLS, or no answer in time. */
  | { readonly kind: 'failed'; readonly error: Error }
  /** An HTTP response that says no. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** Closed by the gateway, or cut (1006). */
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  /** Given up by us. `why` is one of a few constant texts. */
  | { readonly kind: 'abandoned'; readonly why: string };

export interface ConnectionEvents {
  onReady(welcome: WelcomeBody): void;
  /** A frame of the ready session. */
  onFrame(frame: SessionFrame): void;
  /** There is room again after a `send` said `full`. */
  onWritable(): void;
  /** The last event, exactly once. */
  onEnd(end: ConnectionEnd): void;
}

/** An address and a TCP port. */
export interface NetworkEnd {
  readonly host: string;
  readonly port: number;
}

/** What became of a frame: `full` means not taken, `onWritable` will follow; `closed` that nobody will read it. */
export type SendResult = 'sent' | 'full' | 'closed';

export interface SendOptions {
  readonly flags?: number;
  /** Taken above the high-water mark too. */
  readonly urgent?: boolean;
}

/** One session with one gateway, from opening it to its end, over either channel. */
export interface SessionConnection {
  readonly mode: SessionMode;
  readonly state: ConnectionState;
  /** The last round trip that was measured. */
  readonly rttMs: number | undefined;
  /** Both ends of the TCP connection that it uses; none before it is there. */
  readonly ends: readonly NetworkEnd[];
  send(type: FrameType, ref: number, body: Uint8Array, options?: SendOptions): SendResult;
  /** How often to come for what waits at the gateway; says nothing to a connection on which the gateway can speak by itself. */
  pollEvery(intervalMs: number): void;
  /** Orderly end, within seconds whatever the gateway does. Idempotent; `onEnd` follows. */
  close(reason: CloseReason, why: string): void;
}

/** What a connection needs to be opened. */
export interface ConnectRequest {
  readonly mode: SessionMode;
  /** The gateway to open it at. */
  readonly gateway: string;
  /** Others of the deployment, for what can go over any of them. */
  readonly otherGateways: readonly string[];
  readonly token: string;
  readonly intervalMs: number;
  readonly hello: (challenge: ChallengeBody) => HelloBody;
}

export type Connect = (request: ConnectRequest, events: ConnectionEvents) => SessionConnection;

/** From the first attempt to reach the gateway to WELCOME. */
export const CONNECT_TIMEOUT_MS = 15_000;
/** What an orderly end may take. */
export const CLOSE_TIMEOUT_MS = 2_000;

/** The ends of a socket, as far as it has them. */
export function endsOf(socket: {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): NetworkEnd[] {
  return [...networkEnd(socket.remoteAddress, socket.remotePort), ...networkEnd(socket.localAddress, socket.localPort)];
}

function networkEnd(host: string | undefined, port: number | undefined): NetworkEnd[] {
  return host === undefined || port === undefined ? [] : [{ host, port }];
}
