import type { Clock } from './clock.js';

export interface TokenBucketOptions {
  /** How many tokens may be taken at once after an idle time. */
  readonly capacity: number;
  readonly refillPerSecond: number;
  readonly clock: Clock;
}

export type TakeResult =
  | { readonly ok: true }
  /** How long until the same call can succeed; `Infinity` when it asks for more than the capacity. */
  | { readonly ok: false; readonly retryAfterMs: number };

// Refills are sums of fractions; a caller that waited exactly `retryAfterMs` must not fail because of rounding.
const ROUNDING = 1e-6;

/** A rate limit that allows bursts. It has no timer; the refill is computed at each call. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #perMs: number;
  readonly #clock: Clock;
  #tokens: number;
  #atMs: number;

  constructor({ capacity, refillPerSecond, clock }: TokenBucketOptions) {
    if (!(capacity > 0) || !(refillPerSecond > 0)) throw new RangeError('capacity and refillPerSecond must be above 0');
    this.#capacity = capacity;
    this.#perMs = refillPerSecond / 1_000;
    this.#clock = clock;
    this.#tokens = capacity;
    this.#atMs = clock.monotonic();
  }

  /** Takes `count` tokens, or takes none and returns when to try again. */
  take(count = 1): TakeResult {
    this.#refill();
    if (this.#tokens + ROUNDING >= count) {
      this.#tokens = Math.max(this.#tokens - count, 0);
      return { ok: true };
    }
    if (count > this.#capacity) return { ok: false, retryAfterMs: Number.POSITIVE_INFINITY };
    return { ok: false, retryAfterMs: Math.ceil((count - this.#tokens) / this.#perMs - ROUNDING) };
  }

  /** How many could be taken now. */
  get remaining(): number {
    this.#refill();
    return Math.floor(this.#tokens + ROUNDING);
  }

  /** Whether taking one token would fail now. */
  get isEmpty(): boolean {
    this.#refill();
    return this.#tokens + ROUNDING < 1;
  }

  #refill(): void {
    const nowMs = this.#clock.monotonic();
    this.#tokens = Math.min(this.#capacity, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
  }
}
