import type { ByteCounts } from '@muster/protocol';
import type { ConnectionGuard, TrustedProxies } from '@muster/runtime';
import type { ConnectionListener } from '../../foundation/connection.js';
import type { ChannelTraffic } from '../../traffic/frame-traffic.js';
import type { HttpReply, HttpRequest } from '../http/http-message.js';

/**
 * The port to sockets: it moves bytes and knows nothing of frames, tokens or queries.
 *
 * Ordering: what one connection sends arrives in order, and so does what is sent to it. `ConnectionListener` says in which order its
 * methods are called, and what they must do.
 */
export interface Transport {
  /** Starts to listen; resolves to the port that was bound. Rejects when it cannot be bound. */
  listen(): Promise<number>;
  /**
   * Takes certificate and key from their files again, for connections from now on; those that are open stay. Rejects when they are not
   * valid, and goes on with the old ones.
   */
  renewCertificate(): Promise<void>;
  /** Closes the listening socket; connections stay. Idempotent. */
  stopListening(): void;
  /** Ends the connections that are left, without close frames. Idempotent. */
  stop(): void;
  /** The bytes of all sockets, open and ended. Absent where the transport cannot see its sockets. */
  socketBytes?(): ByteCounts;
}

/** What a transport calls. `Context` is whatever `upgrade` made of the request; the transport hands it to `opened`. */
export interface TransportHandlers<Context> {
  /** Decides on a WebSocket upgrade, on any path. */
  upgrade(request: UpgradeRequest): Promise<UpgradeDecision<Context>>;
  readonly connections: ConnectionListener<Context>;
  /**
   * Answers any request that is not an upgrade. The transport adds `Date` to every reply, also to that of a refused upgrade (RFC 9110
   * §6.6.1): an agent whose clock is wrong corrects it by that before it enrols.
   */
  http(request: HttpRequest): Promise<HttpReply>;
}

export interface UpgradeRequest {
  readonly path: string;
  readonly address: string;
  readonly protocols: readonly string[];
  readonly authorization: string | undefined;
  /** A proof of the agent's key, ahead of the challenge. */
  readonly proof: string | undefined;
  /** Browsers say where a page is from; agents say nothing. */
  readonly origin: string | undefined;
}

export type UpgradeDecision<Context> =
  | { readonly kind: 'accept'; readonly protocol: string; readonly context: Context }
  | { readonly kind: 'refuse'; readonly reply: HttpReply };

export interface TransportOptions {
  readonly host: string;
  readonly port: number;
  /** PEM files; plain TCP without them. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: TrustedProxies;
  readonly frameBytes: number;
  /** The largest body of this request; asked before anything of it is read. */
  readonly bodyBytes: (request: Pick<HttpRequest, 'path' | 'headers'>) => number;
  /** A connection that sent nothing for so long is closed. Any byte may count; the liveness monitor checks that frames become whole. */
  readonly silenceMs: number;
  /** How many bytes may wait in memory for one peer that does not read. */
  readonly backpressureBytes: number;
  /** Where the messages, pings and pongs of WebSockets are counted. */
  readonly traffic: ChannelTraffic;
  /** Makes what bounds the connections of a transport that cannot do so itself. */
  readonly guard?: () => Pick<ConnectionGuard, 'watch' | 'prove' | 'hold'>;
}

/** How long a peer may take for its TLS handshake, and again for the head of a request. */
export const HEAD_TIMEOUT_MS = 10_000;

/** Splits a `Sec-WebSocket-Protocol` header. */
export function splitProtocols(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
