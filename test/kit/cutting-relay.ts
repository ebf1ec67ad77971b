import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface CuttingRelayOptions {
  /** Where on this machine it leads. */
  readonly port: number;
  /** Cuts a connection in which one of the two directions carried nothing for so long, however much the other one carries. */
  readonly silenceMs?: number;
  /** When to cut the next connection, in milliseconds from its beginning; `undefined` lets it be. */
  readonly nextCutMs?: () => number | undefined;
}

type Direction = 'fromAgent' | 'fromGateway';

/** Passes TCP connections on, and cuts some of them: both sides see a reset, as from a load balancer that was restarted. */
export class CuttingRelay {
  /** The longest silence in either direction of a connection, so far. */
  readonly longestSilenceMs: Record<Direction, number> = { fromAgent: 0, fromGateway: 0 };
  connections = 0;
  /** Connections that it has cut. */
  cuts = 0;
  readonly #server: Server;
  readonly #options: CuttingRelayOptions;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, options: CuttingRelayOptions) {
    this.#server = server;
    this.#options = options;
  }

  static async start(options: CuttingRelayOptions): Promise<CuttingRelay> {
    const server = createServer({ allowHalfOpen: true });
    const relay = new CuttingRelay(server, options);
    server.on('connection', (near) => relay.#join(near));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket): void {
    this.connections += 1;
    const far = connect({ host: '127.0.0.1', port: this.#options.port, allowHalfOpen: true, noDelay: true });
    near.setNoDelay(true);
    const cut = (): void => {
      if (near.destroyed) return;
      this.cuts += 1;
      near.resetAndDestroy();
      far.resetAndDestroy();
    };
    const watches = [this.#watch(near, 'fromAgent', cut), this.#watch(far, 'fromGateway', cut)];
    const cutMs = this.#options.nextCutMs?.();
    const timer = cutMs === undefined ? undefined : setTimeout(cut, cutMs);
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        clearTimeout(timer);
        for (const watch of watches) watch.stop();
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }

  #watch(socket: Socket, direction: Direction, cut: () => void): { stop(): void } {
    const { silenceMs } = this.#options;
    const timer = silenceMs === undefined ? undefined : setTimeout(cut, silenceMs);
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
