import type { ChallengeBody, CloseReason, HelloBody, SessionMode, WelcomeBody } from '@muster/protocol';
import type { Refusal } from '../network/http-refusal.js';
import type { NetworkEnd } from '../network/network-end.js';
import type { Session } from './session.js';
import type { SessionFrame } from './session-frames.js';

/**
 *              opened          CHALLENGE: HELLO sent         WELCOME
 *  connecting ────────▶ open ────────────────────▶ helloSent ───────▶ ready
 *      │                  │                            │                │
 *      └──────────────────┴────────────────────────────┴────────────────┴──▶ closed
 *         refused, failed, closed by either side, silent, a message that is not a valid frame
 */
export type ConnectionState = 'connecting' | 'open' | 'helloSent' | 'ready' | 'closed';

/** How a connection ended. */
export type ConnectionEnd =
  /** Never opened, or given up after several attempts: name resolution, TCP, TLS, or no answer in time. */
  | { readonly kind: 'failed'; readonly error: Error }
  /** Answered with an HTTP error response. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** Closed by the gateway, or cut (1006). */
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  /** Given up by the agent. `why` is one of a few constant texts. */
  | { readonly kind: 'abandoned'; readonly why: string };

export interface ConnectionEvents {
  onReady(welcome: WelcomeBody): void;
  /** A frame of the ready session. */
  onFrame(frame: SessionFrame): void;
  /** There is room again after a `send` returned `full`. */
  onWritable(): void;
  /** Over Poll: a request is about to be sent, and takes along what is sent now. */
  onPoll?(): void;
  /** The last event, exactly once. */
  onEnd(end: ConnectionEnd): void;
}

/** One session with one gateway, from the attempt to open it to its end, over either transport. */
export interface SessionConnection extends Session {
  readonly state: ConnectionState;
  /** The last round trip that was measured. */
  readonly rttMs: number | undefined;
  /** Both ends of its TCP connection; empty before it is connected. */
  readonly ends: readonly NetworkEnd[];
  /** How often to ask the gateway for frames. Does nothing on Live, where the gateway sends them by itself. */
  pollEvery(intervalMs: number): void;
  /** Orderly end, within seconds whatever the gateway does. Idempotent; `onEnd` follows. */
  close(reason: CloseReason, why: string): void;
}

/** What a connection needs to be opened. */
export interface ConnectRequest {
  readonly mode: SessionMode;
  /** The gateway to open it at. */
  readonly gateway: string;
  /** Other gateways of the deployment. Requests of a Poll session can go to any of them. */
  readonly otherGateways: readonly string[];
  readonly token: string;
  /** A proof of the agent's key, for the request that opens the session. */
  readonly proof?: string;
  readonly intervalMs: number;
  /** How long the gateway may take for its first answer. One that hangs accepts TCP connections and never answers. */
  readonly openTimeoutMs: number;
  readonly hello: (challenge: ChallengeBody) => HelloBody;
}

export type Connect = (request: ConnectRequest, events: ConnectionEvents) => SessionConnection;
