import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Passes TCP on as it is and counts its payload: what is on the wire, seen from outside. */
export class CountingRelay {
  /** From those who connect to the one that they want. */
  bytesIn = 0;
  bytesOut = 0;
  readonly port: number;
  readonly #stop: () => Promise<void>;

  private constructor(port: number, stop: () => Promise<void>) {
    this.port = port;
    this.#stop = stop;
  }

  static async to(target: number): Promise<CountingRelay> {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ host: '127.0.0.1', port: target, allowHalfOpen: true });
      for (const [from, to, count] of [
        [near, far, (bytes: number) => (relay.bytesIn += bytes)],
        [far, near, (bytes: number) => (relay.bytesOut += bytes)],
      ] as const) {
        sockets.add(from);
        from.on('data', (chunk: Buffer) => {
          count(chunk.length);
          to.write(chunk);
        });
        from.on('end', () => to.end());
        from.on('error', () => to.resetAndDestroy());
        from.on('close', () => sockets.delete(from));
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const relay: CountingRelay = new CountingRelay((server.address() as AddressInfo).port, async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    return relay;
  }

  stop(): Promise<void> {
    return this.#stop();
  }
}
