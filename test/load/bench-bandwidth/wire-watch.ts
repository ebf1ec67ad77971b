import { setTimeout as delay } from 'node:timers/promises';
import type { RelayedBytes, TcpRelay } from '@muster/testkit';

/** The moment at which bytes pass again after a pause. */
export interface Burst {
  readonly atMs: number;
  readonly isFromAgent: boolean;
  readonly before: RelayedBytes;
}

/** Bytes that follow others sooner than this belong to the same burst. */
const PAUSE_MS = 400;

/** Watches what passes a relay: bursts, pauses, and every count that there ever was. */
export class WireWatch {
  readonly #relay: TcpRelay;
  readonly #history: { readonly in: number; readonly out: number }[] = [];
  readonly #waiting: ((burst: Burst) => void)[] = [];
  #lastAtMs = Number.NEGATIVE_INFINITY;

  constructor(relay: TcpRelay) {
    this.#relay = relay;
    relay.onBytes((direction, bytes) => {
      const atMs = performance.now();
      const before = relay.bytes;
      if (atMs - this.#lastAtMs > PAUSE_MS) {
        const burst = { atMs, isFromAgent: direction === 'out', before };
        for (const resolve of this.#waiting.splice(0)) resolve(burst);
      }
      this.#lastAtMs = atMs;
      this.#history.push({ ...before, [direction]: before[direction] + bytes });
    });
  }

  get bytes(): RelayedBytes {
    return this.#relay.bytes;
  }

  get undelivered(): number {
    return this.#relay.undelivered;
  }

  /** Of all moments so far: the least distance, in bytes of both directions, to exactly `bytes` more than `since`. */
  nearest(bytes: { readonly in: number; readonly out: number }, since: RelayedBytes): number {
    const [expectedIn, expectedOut] = [since.in + bytes.in, since.out + bytes.out];
    return this.#history.reduce(
      (least, one) => Math.min(least, Math.abs(one.in - expectedIn) + Math.abs(one.out - expectedOut)),
      Number.POSITIVE_INFINITY,
    );
  }

  nextBurst(): Promise<Burst> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when nothing has passed for the length of a pause. */
  async quiet(): Promise<void> {
    for (;;) {
      const leftMs = this.#lastAtMs + PAUSE_MS - performance.now();
      if (leftMs <= 0) return;
      await delay(leftMs);
    }
  }
}
