import type { Clock, Timer } from '@muster/runtime/program';

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** Pings go out at most this far apart; a peer silent for twice as long is gone. */
  readonly everyMs: number;
  readonly random: () => number;
  readonly sendPing: (data: Uint8Array) => void;
  readonly onSilent: () => void;
}

const PING_BYTES = 8;

/**
 * Keeps a session's path open and notices when it is not. A half-open TCP connection (cable pulled, NAT entry gone) accepts writes for many
 * minutes; only something heard proves life, and anything heard does: pongs, pings and messages.
 *
 * Pings are spread over the last quarter of the interval, so that a fleet that connected at one moment does not ping at one moment.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  #heardAtMs: number;
  #pingDueMs: number;
  #sequence = 0n;
  #pingedAtMs: number | undefined;
  #rttMs: number | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.monotonic();
    this.#pingDueMs = this.#heardAtMs + this.#intervalMs();
    this.#arm();
  }

  /** The last measured round trip; `undefined` before the first pong. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  /** Anything at all came from the peer. */
  heard(): void {
    this.#heardAtMs = this.#options.clock.monotonic();
  }

  /** A pong came; it measures the round trip when it carries the data of the latest ping. */
  pong(data: Uint8Array): void {
    this.heard();
    if (this.#pingedAtMs === undefined || data.length !== PING_BYTES) return;
    if (Buffer.from(data).readBigUInt64BE() !== this.#sequence) return;
    this.#rttMs = this.#heardAtMs - this.#pingedAtMs;
    this.#pingedAtMs = undefined;
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
  }

  #intervalMs(): number {
    return this.#options.everyMs * (0.75 + 0.25 * this.#options.random());
  }

  #arm(): void {
    const { clock, everyMs } = this.#options;
    const dueMs = Math.min(this.#pingDueMs, this.#heardAtMs + 2 * everyMs);
    this.#timer = clock.setTimeout(() => this.#tick(), Math.max(1, dueMs - clock.monotonic()));
  }

  #tick(): void {
    const { clock, everyMs, onSilent, sendPing } = this.#options;
    const nowMs = clock.monotonic();
    if (nowMs - this.#heardAtMs >= 2 * everyMs) {
      this.stop();
      onSilent();
      return;
    }
    if (nowMs >= this.#pingDueMs) {
      this.#sequence += 1n;
      const data = Buffer.alloc(PING_BYTES);
      data.writeBigUInt64BE(this.#sequence);
      this.#pingedAtMs = nowMs;
      this.#pingDueMs = nowMs + this.#intervalMs();
      sendPing(data);
    }
    this.#arm();
  }
}
