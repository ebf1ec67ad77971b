import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Bytes of TCP's payload as whoever connects sees them, and connections. */
export interface WireBytes {
  readonly in: number;
  readonly out: number;
  readonly connections: number;
}

export interface CountingRelayOptions {
  /** Where on this machine it leads. */
  readonly port: number;
  /** Ends a connection on which nothing passed for so long after something came back: a network that keeps no connection alive. */
  readonly cutIdleMs?: number;
}

/** Passes TCP connections on without a look at them, and counts what passes. */
export class CountingRelay {
  readonly #server: Server;
  readonly #options: CountingRelayOptions;
  readonly #sockets = new Set<Socket>();
  /** Every pair of counts that there ever was. */
  readonly #history = new Set<string>();
  #in = 0;
  #out = 0;
  #connections = 0;

  private constructor(server: Server, options: CountingRelayOptions) {
    this.#server = server;
    this.#options = options;
  }

  static async start(options: CountingRelayOptions): Promise<CountingRelay> {
    const server = createServer({ allowHalfOpen: true });
    const relay = new CountingRelay(server, options);
    server.on('connection', (near) => relay.#join(near));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get bytes(): WireBytes {
    return { in: this.#in, out: this.#out, connections: this.#connections };
  }

  /** Whether there was a moment since the start at which exactly this much more than `since` had passed. */
  everHad(bytes: { readonly in: number; readonly out: number }, since: WireBytes): boolean {
    return this.#history.has(`${since.in + bytes.in}/${since.out + bytes.out}`);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket): void {
    this.#connections += 1;
    const far = connect({ host: '127.0.0.1', port: this.#options.port, allowHalfOpen: true, noDelay: true });
    near.setNoDelay(true);
    let idle: NodeJS.Timeout | undefined;
    near.on('data', (part: Buffer) => {
      clearTimeout(idle);
      this.#count(0, part.length);
    });
    far.on('data', (part: Buffer) => {
      clearTimeout(idle);
      this.#count(part.length, 0);
      const { cutIdleMs } = this.#options;
      if (cutIdleMs !== undefined) idle = setTimeout(() => [near, far].forEach((one) => one.end()), cutIdleMs);
    });
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        clearTimeout(idle);
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }

  #count(bytesIn: number, bytesOut: number): void {
    this.#in += bytesIn;
    this.#out += bytesOut;
    this.#history.add(`${this.#in}/${this.#out}`);
  }
}
