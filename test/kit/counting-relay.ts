import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Bytes of TCP's payload as whoever connects sees them, and connections. */
export interface WireBytes {
  readonly in: number;
  readonly out: number;
  readonly connections: number;
}

/** The moment at which bytes pass again after a pause. */
export interface Burst {
  readonly atMs: number;
  /** Whoever connects spoke first. */
  readonly isFromNear: boolean;
  /** What had passed before it. */
  readonly before: WireBytes;
}

export interface CountingRelayOptions {
  /** Where on this machine it leads. */
  readonly port: number;
  /** Ends a connection on which nothing passed for so long after something came back: a network that keeps no connection alive. */
  readonly cutIdleMs?: number;
}

/** Bytes that follow others sooner than this belong to the same burst. */
const PAUSE_MS = 400;

/** Passes TCP connections on without a look at them, and counts what passes. */
export class CountingRelay {
  readonly #server: Server;
  readonly #options: CountingRelayOptions;
  readonly #sockets = new Set<Socket>();
  /** Every pair of counts that there ever was. */
  readonly #history: { readonly in: number; readonly out: number }[] = [];
  readonly #waiting: ((burst: Burst) => void)[] = [];
  #in = 0;
  #out = 0;
  #connections = 0;
  #undelivered = 0;
  #lastAtMs = Number.NEGATIVE_INFINITY;

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

  /** Of the bytes that the near end has sent: those that went nowhere, because its connection had been cut. */
  get undelivered(): number {
    return this.#undelivered;
  }

  /** How far the nearest moment is from one at which exactly this much more than `since` had passed, in bytes of both ways. */
  nearest(bytes: { readonly in: number; readonly out: number }, since: WireBytes): number {
    const [wantedIn, wantedOut] = [since.in + bytes.in, since.out + bytes.out];
    return this.#history.reduce(
      (least, one) => Math.min(least, Math.abs(one.in - wantedIn) + Math.abs(one.out - wantedOut)),
      Number.POSITIVE_INFINITY,
    );
  }

  /** Resolves when bytes pass after nothing did for a while. */
  nextBurst(): Promise<Burst> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when nothing has passed for a while. */
  async quiet(): Promise<void> {
    for (;;) {
      const leftMs = this.#lastAtMs + PAUSE_MS - performance.now();
      if (leftMs <= 0) return;
      await delay(leftMs);
    }
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
      if (far.writableEnded) this.#undelivered += part.length;
    });
    far.on('data', (part: Buffer) => {
      clearTimeout(idle);
      this.#count(part.length, 0);
      const { cutIdleMs } = this.#options;
      if (cutIdleMs !== undefined) idle = setTimeout(() => cut(near, far), cutIdleMs);
    });
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', (hadError) => {
        clearTimeout(idle);
        this.#sockets.delete(one);
        // What is on its way still arrives, unless something is broken.
        if (hadError) other.destroy();
        else other.end();
      });
    }
  }

  #count(bytesIn: number, bytesOut: number): void {
    const atMs = performance.now();
    if (atMs - this.#lastAtMs > PAUSE_MS) {
      const burst = { atMs, isFromNear: bytesOut > 0, before: this.bytes };
      for (const resolve of this.#waiting.splice(0)) resolve(burst);
    }
    this.#lastAtMs = atMs;
    this.#in += bytesIn;
    this.#out += bytesOut;
    this.#history.push({ in: this.#in, out: this.#out });
  }
}

/** The far end hears that it is over, and says so to the near one, whose last words nobody waits for. */
function cut(near: Socket, far: Socket): void {
  near.unpipe(far);
  near.resume();
  far.end();
}
