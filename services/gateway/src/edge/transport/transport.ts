import { POLL_SEQUENCE_HEADER, POLL_SESSION_HEADER, type ByteCounts } from '@muster/protocol';
import type { TrustedProxies } from '@muster/runtime';
import type { ChannelTraffic } from '../../traffic/frame-traffic.js';

/**
 * The port to sockets: it moves bytes and knows nothing of frames, tokens or queries.
 *
 * Ordering: what one connection sends arrives in order, and so does what is sent to it. `open` comes before any `message`, `closed` comes
 * exactly once and last. Handlers run synchronously from the event loop and must not block or throw.
 *
 * What the caller owes: copy a message before the handler returns, its bytes are reused after it.
 */
export interface Transport {
  /** Starts to listen; resolves to the port that was bound. Rejects when it cannot be bound. */
  listen(): Promise<number>;
  /** Closes the listening socket; connections stay. Idempotent. */
  stopListening(): void;
  /** Ends what is left, without close frames. Idempotent. */
  stop(): void;
  /** What all sockets have carried, those that ended too; absent where the transport does not show its sockets. */
  socketBytes?(): ByteCounts;
}

/** `dropped`: the peer does not read and its buffer is full; the connection is being closed for it. `closed`: it is gone. */
export type SendResult = 'sent' | 'dropped' | 'closed';

export interface Connection {
  /** Monotonic: when a peer that polls is expected next. Absent where it is told at once. */
  readonly dueMs?: number;
  /** The peer's address; as a trusted proxy told it, if one did. */
  readonly address: string;
  /** Sends one binary message. Never blocks, never throws. */
  send(frame: Uint8Array): SendResult;
  /** Sends a ping with this data, at most 125 bytes. */
  ping(data: Uint8Array): void;
  /** Sends a close frame and ends the connection. Idempotent. */
  close(code: number, reason: string): void;
  /** Runs `send` calls together, as few writes as possible. */
  cork(run: () => void): void;
}

/** What the caller keeps for a connection: whatever `upgrade` made of the request. */
export interface TransportHandlers<HandshakeContext> {
  /** Decides over a WebSocket upgrade, on any path. */
  upgrade(request: UpgradeRequest): Promise<UpgradeDecision<HandshakeContext>>;
  open(connection: Connection, ticket: HandshakeContext): void;
  message(connection: Connection, data: Uint8Array, isBinary: boolean): void;
  /** A ping came, and was answered. */
  pinged(connection: Connection): void;
  ponged(connection: Connection, data: Uint8Array): void;
  closed(connection: Connection, code: number): void;
  /**
   * Answers any request that is not an upgrade. The transport adds `Date` to every reply, a refused upgrade's too (RFC 9110 §6.6.1):
   * agents whose clock is wrong set themselves right by it before they enrol.
   */
  http(request: HttpRequest): Promise<HttpReply>;
}

export interface UpgradeRequest {
  readonly path: string;
  readonly address: string;
  readonly protocols: readonly string[];
  readonly authorization: string | undefined;
  /** Browsers say where a page is from; agents say nothing. */
  readonly origin: string | undefined;
}

export type UpgradeDecision<HandshakeContext> =
  | { readonly kind: 'accept'; readonly protocol: string; readonly ticket: HandshakeContext }
  | { readonly kind: 'refuse'; readonly reply: HttpReply };

/** The headers that any handler looks at; a transport reads no others. */
export const READ_HEADERS = [
  'authorization',
  'content-type',
  'content-encoding',
  'accept-encoding',
  'if-none-match',
  'origin',
  POLL_SESSION_HEADER,
  POLL_SEQUENCE_HEADER,
] as const;

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly address: string;
  readonly headers: Readonly<Partial<Record<(typeof READ_HEADERS)[number], string>>>;
  readonly body: Uint8Array;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Nothing of it is sent with 204 and 304. */
  readonly body: string | Uint8Array;
}

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
  /** A connection that sent nothing for so long is closed. Any byte may count: that frames become whole is for the caller to watch. */
  readonly silenceMs: number;
  /** What may wait in memory for one peer that does not read. */
  readonly backpressureBytes: number;
  /** Where the messages, pings and pongs of WebSockets are counted. */
  readonly traffic: ChannelTraffic;
}

/** The reason phrases that we use; uWebSockets wants the whole status line. */
export const STATUS_TEXT: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  410: 'Gone',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** Whether a reply of this status has no body at all (RFC 9110 §15.3.5, §15.4.5). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}

/** Splits a `Sec-WebSocket-Protocol` header. */
export function splitProtocols(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
