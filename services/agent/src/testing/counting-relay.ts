import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Passes TCP connections on to a port of this machine, and counts the bytes that pass, as whoever connects sees them. */
export class CountingRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  bytesIn = 0;
  bytesOut = 0;
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port: number): Promise<CountingRelay> {
    const server = createServer({ allowHalfOpen: true });
    const relay = new CountingRelay(server);
    server.on('connection', (near) => relay.#join(near, port));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket, port: number): void {
    this.connections += 1;
    const far = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    near.on('data', (part: Buffer) => (this.bytesOut += part.length));
    far.on('data', (part: Buffer) => (this.bytesIn += part.length));
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
