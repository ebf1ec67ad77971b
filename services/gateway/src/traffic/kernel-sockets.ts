import type { SocketMeasure, TrafficCounters } from '@muster/messages';
import type { Clock, Logger, Timer } from '@muster/runtime';
import { EndFollower } from './end-follower.js';
import { readLines } from './read-lines.js';
import { SocketAccounting } from './socket-accounting.js';
import { parseSocketLine, type SocketLine } from './ss-line.js';
import { killChild, spawnLook, type SsChild, type SsPrograms } from './ss-programs.js';

export interface KernelSocketsOptions {
  readonly programs: SsPrograms;
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lookEveryMs?: number;
  /** How old the figures of `read` may be. */
  readonly freshMs: number;
}

/** Where sockets cannot be counted. */
export const UNSEEN_SOCKETS: TrafficCounters['sockets'] = { measured: 'frames', bytesIn: 0, bytesOut: 0, missed: 0 };

const LOOK_EVERY_MS = 30_000;
const LOOK_WITHIN_MS = 5_000;

/**
 * The kernel's counters of the port's TCP sockets, for a transport that has none of its own. `ss` lists the open sockets now and then, and
 * reports each one as it is destroyed.
 */
export class KernelSockets {
  readonly #options: KernelSocketsOptions;
  readonly #accounting = new SocketAccounting();
  #follower: EndFollower | undefined;
  #timer: Timer | undefined;
  #look: Promise<void> | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #measured: SocketMeasure = 'frames';

  constructor(options: KernelSocketsOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { clock, lookEveryMs = LOOK_EVERY_MS } = this.#options;
    this.#follower = new EndFollower({
      ...this.#options,
      ended: (socket) => this.#accounting.ended(socket),
      following: () => {
        this.#measured = 'sockets';
        void this.#lookNow();
      },
      missed: () => this.#accounting.miss(),
    });
    await this.#follower.start();
    this.#timer = clock.setInterval(() => void this.#lookNow(), lookEveryMs);
  }

  async stop(): Promise<void> {
    this.#options.clock.clear(this.#timer);
    await this.#follower?.stop();
    await this.#look;
  }

  /** The counts as of `freshMs` ago at most. Never rejects. */
  async read(): Promise<TrafficCounters['sockets']> {
    const { clock, freshMs } = this.#options;
    if (this.#measured === 'frames') return UNSEEN_SOCKETS;
    if (clock.monotonic() - this.#lookedAtMs >= freshMs) await this.#lookNow();
    return this.known;
  }

  /** The counts as of the last look. */
  get known(): TrafficCounters['sockets'] {
    if (this.#measured === 'frames') return UNSEEN_SOCKETS;
    return { measured: this.#measured, ...this.#accounting.bytes(), missed: this.#accounting.missed };
  }

  /** One at a time; never rejects. */
  #lookNow(): Promise<void> {
    this.#look ??= this.#lookOnce().finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  async #lookOnce(): Promise<void> {
    const { programs, port, clock, logger } = this.#options;
    const sockets: SocketLine[] = [];
    let listeners = 0;
    this.#accounting.lookBegins();
    let child: SsChild | undefined;
    let timer: Timer | undefined;
    try {
      const started = spawnLook(programs, port);
      child = started;
      timer = clock.setTimeout(() => killChild(started), LOOK_WITHIN_MS);
      started.stderr.resume();
      const exited = new Promise<number | null>((resolve, reject) => {
        started.once('error', reject);
        started.once('close', resolve);
      });
      const read = readLines(started.stdout, (line) => {
        const socket = parseSocketLine(line);
        if (socket?.state === 'LISTEN') listeners += 1;
        else if (socket !== undefined) sockets.push(socket);
      });
      const [code] = await Promise.all([exited, read]);
      if (code !== 0) throw new Error(`ss ended with ${code ?? 'a signal'}`);
      this.#accounting.looked(sockets, clock.monotonic());
      this.#lookedAtMs = clock.monotonic();
      if (listeners > 1) this.#giveUp(listeners);
    } catch (error) {
      this.#accounting.lookFailed();
      if (child !== undefined) killChild(child);
      logger.warn('looking at the sockets of the port failed', { err: error });
    } finally {
      clock.clear(timer);
    }
  }

  /** Once a socket is destroyed, `ss` does not say which process it belonged to. */
  #giveUp(listeners: number): void {
    this.#measured = 'frames';
    this.#options.clock.clear(this.#timer);
    void this.#follower?.stop();
    this.#options.logger.warn('several processes share the port, so the sockets of this one cannot be counted', {
      port: this.#options.port,
      listeners,
    });
  }
}
