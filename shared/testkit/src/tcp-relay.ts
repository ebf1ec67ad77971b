import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface TcpRelayOptions {
  /** The port of this machine to which it relays. */
  readonly port: number;
  /** Holds every byte, in both directions, for this long. */
  readonly delayMs?: number;
  /**
   * Ends a connection on which nothing passed for so long after an answer, as a network that keeps no idle connection:
   * the target sees the end, and what the client sends afterwards is discarded.
   */
  readonly endIdleMs?: number;
  /** Resets a connection in which one of the two directions carried nothing for so long, however much the other one carries. */
  readonly silenceMs?: number;
  /** When to reset the next connection, in milliseconds from its beginning; `undefined` never. */
  readonly nextCutMs?: () => number | undefined;
}

/** As the client of the relay sees them: `out` is what clients sent, `in` what they received. */
export type Direction = 'in' | 'out';

/** TCP payload that has passed, and the connections that were made. */
export interface RelayedBytes {
  readonly in: number;
  readonly out: number;
  readonly connections: number;
}

export type BytesListener = (direction: Direction, bytes: number) => void;

/** Passes TCP connections on to a port of this machine. Counts payload bytes, and can delay, end and reset connections. */
export class TcpRelay {
  /** The longest silence in either direction of a connection, so far. */
  readonly longestSilenceMs: Record<Direction, number> = { in: 0, out: 0 };
  cuts = 0;
  readonly #server: Server;
  readonly #options: TcpRelayOptions;
  readonly #sockets = new Set<Socket>();
  readonly #resets = new Set<() => void>();
  readonly #listeners: BytesListener[] = [];
  readonly #bytes: Record<Direction, number> = { in: 0, out: 0 };
  #connections = 0;
  #undelivered = 0;

  private constructor(server: Server, options: TcpRelayOptions) {
    this.#server = server;
    this.#options = options;
  }

  static async start(options: TcpRelayOptions): Promise<TcpRelay> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const relay = new TcpRelay(server, options);
    server.on('connection', (client) => relay.#join(client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get connections(): number {
    return this.#connections;
  }

  get bytes(): RelayedBytes {
    return { ...this.#bytes, connections: this.#connections };
  }

  /** Of the bytes that clients have sent: those that were discarded, because their connection had been ended as idle. */
  get undelivered(): number {
    return this.#undelivered;
  }

  /** Calls the listener for each piece, before it is counted in `bytes`. */
  onBytes(listener: BytesListener): void {
    this.#listeners.push(listener);
  }

  cut(): void {
    for (const reset of this.#resets) reset();
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket): void {
    this.#connections += 1;
    const { port, endIdleMs, nextCutMs } = this.#options;
    const target = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    const reset = (): void => {
      if (client.destroyed) return;
      this.cuts += 1;
      client.resetAndDestroy();
      target.resetAndDestroy();
    };
    this.#resets.add(reset);
    client.once('close', () => this.#resets.delete(reset));
    const cutMs = nextCutMs?.();
    const cutTimer = cutMs === undefined ? undefined : setTimeout(reset, cutMs);
    let idleTimer: NodeJS.Timeout | undefined;
    client.on('data', () => clearTimeout(idleTimer));
    target.on('data', () => {
      clearTimeout(idleTimer);
      if (endIdleMs !== undefined) idleTimer = setTimeout(() => target.end(), endIdleMs);
    });
    for (const [from, to, direction] of [
      [client, target, 'out'],
      [target, client, 'in'],
    ] as const) {
      this.#sockets.add(from);
      this.#pass(from, to, direction);
      const silence = this.#watchSilence(from, direction, reset);
      from.on('error', () => {});
      from.on('close', (hadError) => {
        clearTimeout(cutTimer);
        clearTimeout(idleTimer);
        silence.stop();
        this.#sockets.delete(from);
        // What is on its way still arrives, unless the connection broke.
        if (hadError) to.resetAndDestroy();
        else this.#later(() => to.end().resume());
      });
    }
  }

  /** Passes on one direction of a connection, with back-pressure. */
  #pass(from: Socket, to: Socket, direction: Direction): void {
    from.on('data', (piece: Buffer) => {
      for (const listener of this.#listeners) listener(direction, piece.length);
      this.#bytes[direction] += piece.length;
      this.#later(() => {
        if (!to.writable) {
          if (direction === 'out') this.#undelivered += piece.length;
        } else if (!to.write(piece)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
    });
    from.on('end', () => this.#later(() => to.end()));
  }

  #later(run: () => void): void {
    const { delayMs = 0 } = this.#options;
    if (delayMs === 0) run();
    else setTimeout(run, delayMs);
  }

  #watchSilence(socket: Socket, direction: Direction, onSilence: () => void): { stop(): void } {
    const { silenceMs } = this.#options;
    const timer = silenceMs === undefined ? undefined : setTimeout(onSilence, silenceMs);
    let heardAtMs = performance.now();
    const note = (): void => {
      const nowMs = performance.now();
      this.longestSilenceMs[direction] = Math.max(this.longestSilenceMs[direction], nowMs - heardAtMs);
      heardAtMs = nowMs;
    };
    socket.on('data', () => {
      note();
      timer?.refresh();
    });
    return {
      stop: () => {
        note();
        clearTimeout(timer);
      },
    };
  }
}
