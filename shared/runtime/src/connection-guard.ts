import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { addressBlock, plainAddress, type TrustedProxies } from './client-address.js';
import type { Clock } from './clock.js';
import type { CheckResult } from './readiness.js';
import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';
import { createConnectionMetrics, type ConnectionMetrics } from './connection-metrics.js';
import { ConnectionTable, type ConnectionBounds, type TrackedConnection } from './connection-table.js';

export interface ConnectionGuardOptions {
  /** The listener, for metrics and the log: `api`, `health`. */
  readonly listener: string;
  readonly bounds: ConnectionBounds;
  /** How long a connection may take for its TLS handshake, and then for the head of its first request. */
  readonly headTimeoutMs: number;
  readonly proxies?: TrustedProxies;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface Tracked extends TrackedConnection {
  readonly socket: Socket;
  readonly key: string;
  readonly openedMs: number;
  readonly answers: Set<ServerResponse>;
  asked: boolean;
}

const LOG_INTERVAL_MS = 60_000;

/**
 * Bounds the connections of an HTTP server, before TLS costs anything. The deadlines are the server's own
 * (`handshakeTimeout`, `headersTimeout`, `requestTimeout`, `keepAliveTimeout`); a peer that does not take its answer is
 * cut after `timeout`.
 */
export class ConnectionGuard {
  readonly #options: ConnectionGuardOptions;
  readonly #table: ConnectionTable<Tracked>;
  readonly #metrics: ConnectionMetrics;
  readonly #bySocket = new WeakMap<Socket, Tracked>();
  /** By both ends of the connection: the TLS socket of a request is another object than the TCP socket below it. */
  readonly #byKey = new Map<string, Tracked>();
  readonly #unlogged = { refused: 0, closedEarly: 0 };
  #loggedMs = -Infinity;

  constructor(options: ConnectionGuardOptions) {
    this.#options = options;
    this.#table = new ConnectionTable(options.bounds);
    this.#metrics = createConnectionMetrics(options.metrics, options.listener, () => this.#table.counts);
  }

  /** Guards this server. Called once, before it listens. */
  watch(server: Server): void {
    // The server's own listeners run only for connections that were admitted: TLS must not be set up on a socket that is destroyed.
    const accept = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (this.#admit(socket)) for (const listener of accept) listener.call(server, socket);
    });
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#begin(request.socket, response),
    );
    server.on('timeout', (socket: Socket) => this.#endIdle(socket));
  }

  /** The connection has carried a request with valid credentials. */
  prove(socket: Socket): void {
    const connection = this.#find(socket);
    if (connection !== undefined) this.#table.prove(connection);
  }

  /** The connection carries a session of a proven peer from now on: it counts as busy until it is closed. */
  hold(socket: Socket): void {
    const connection = this.#find(socket);
    if (connection === undefined) return;
    connection.asked = true;
    this.#table.prove(connection);
    this.#table.began(connection);
  }

  /** For `/readyz`: fails while nearly all connections are in use by callers with valid credentials. */
  readonly check = (): CheckResult => {
    const { total } = this.#options.bounds;
    const { busy } = this.#table.counts;
    return this.#table.isFull ? { ok: false, detail: `${busy} of ${total} connections are in use` } : true;
  };

  #admit(socket: Socket): boolean {
    const { proxies, clock } = this.#options;
    // The peer is gone already.
    if (socket.remoteAddress === undefined) return close(socket);
    const address = plainAddress(socket.remoteAddress);
    const connection: Tracked = {
      address: addressBlock(address),
      isProxy: proxies?.trusts(address) === true,
      socket,
      key: keyOf(socket),
      openedMs: clock.monotonic(),
      answers: new Set(),
      asked: false,
      close: () => close(socket),
    };
    const { admitted, evicted, refusedBy } = this.#table.admit(connection);
    for (const bound of evicted) this.#metrics.ended.inc({ why: `room_${bound}` });
    if (refusedBy !== undefined) this.#metrics.ended.inc({ why: `refused_${refusedBy}` });
    if (evicted.length > 0 || !admitted) this.#log(evicted.length, admitted ? 0 : 1);
    if (!admitted) return close(socket);
    this.#bySocket.set(socket, connection);
    this.#byKey.set(connection.key, connection);
    socket.on('close', () => this.#closed(connection));
    return true;
  }

  #begin(socket: Socket, response: ServerResponse): void {
    const connection = this.#find(socket);
    if (connection === undefined) return;
    connection.asked = true;
    connection.answers.add(response);
    this.#table.began(connection);
    response.on('close', () => {
      connection.answers.delete(response);
      this.#table.ended(connection);
    });
  }

  /** Nothing has passed for the socket's timeout. A connection whose answer is still being made waits; any other is closed. */
  #endIdle(socket: Socket): void {
    const answers = this.#find(socket)?.answers ?? [];
    for (const answer of answers) if (!answer.writableEnded) return;
    socket.destroy();
  }

  #closed(connection: Tracked): void {
    this.#table.remove(connection);
    if (this.#byKey.get(connection.key) === connection) this.#byKey.delete(connection.key);
    const { headTimeoutMs, clock } = this.#options;
    // Timers may fire a moment early.
    if (!connection.asked && clock.monotonic() - connection.openedMs >= 0.9 * headTimeoutMs) {
      this.#metrics.ended.inc({ why: 'no_request' });
    }
  }

  #find(socket: Socket): Tracked | undefined {
    let connection = this.#bySocket.get(socket);
    if (connection === undefined && (connection = this.#byKey.get(keyOf(socket))) !== undefined) {
      this.#bySocket.set(socket, connection);
    }
    return connection;
  }

  /** One line a minute at most, however many connections it was. */
  #log(closedEarly: number, refused: number): void {
    const { clock, logger, listener, bounds } = this.#options;
    this.#unlogged.closedEarly += closedEarly;
    this.#unlogged.refused += refused;
    const nowMs = clock.monotonic();
    if (nowMs - this.#loggedMs < LOG_INTERVAL_MS) return;
    this.#loggedMs = nowMs;
    const most = this.#table.heaviest;
    logger.warn('too many connections', { listener, ...this.#unlogged, bounds, ...this.#table.counts, most });
    this.#unlogged.closedEarly = 0;
    this.#unlogged.refused = 0;
  }
}

/** With a reset: a peer that is silent would not take part in an orderly end. */
function close(socket: Socket): false {
  socket.resetAndDestroy();
  return false;
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
