import { TokenBucket, type Clock, type TakeResult } from '@muster/runtime';

export interface RateLimitOptions {
  readonly clock: Clock;
  readonly perSecond: number;
  readonly burst: number;
  /** How many keys are remembered; the one not used for longest is forgotten first. */
  readonly maxKeys?: number;
}

/** One bucket per key, for a bounded number of keys. */
export class RateLimits {
  readonly #options: RateLimitOptions;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  take(key: string): TakeResult {
    const { clock, perSecond, burst, maxKeys = 20_000 } = this.#options;
    const bucket = this.#buckets.get(key) ?? new TokenBucket({ capacity: burst, refillPerSecond: perSecond, clock });
    // A Map iterates in the order of insertion: what is put back last is the youngest.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > maxKeys) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return bucket.take();
  }
}
