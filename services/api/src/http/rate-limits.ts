import { LRUCache } from 'lru-cache';
import { TokenBucket, type Clock, type TakeResult } from '@muster/runtime';

export interface RateLimitOptions {
  readonly clock: Clock;
  readonly perSecond: number;
  readonly burst: number;
  /** How many keys are remembered; the least recently used one is forgotten first. */
  readonly maxKeys?: number;
}

/** One token bucket per key, for a bounded number of keys. */
export class RateLimits {
  readonly #options: RateLimitOptions;
  readonly #buckets: LRUCache<string, TokenBucket>;

  constructor(options: RateLimitOptions) {
    this.#options = options;
    this.#buckets = new LRUCache({ max: options.maxKeys ?? 20_000 });
  }

  take(key: string): TakeResult {
    return this.#bucketOf(key).take();
  }

  /**
   * What is left, as `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): quota `q` in a
   * window of `w` seconds, `r` remaining, and all of it again in `t` seconds.
   */
  headers(key: string): Readonly<Record<'ratelimit-policy' | 'ratelimit', string>> {
    const { perSecond, burst } = this.#options;
    const { remaining } = this.#bucketOf(key);
    const seconds = (count: number): number => Math.ceil(count / perSecond);
    return {
      'ratelimit-policy': `"requests";q=${burst};w=${Math.max(1, seconds(burst))}`,
      ratelimit: `"requests";r=${remaining};t=${seconds(burst - remaining)}`,
    };
  }

  #bucketOf(key: string): TokenBucket {
    const { clock, perSecond, burst } = this.#options;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new TokenBucket({ capacity: burst, refillPerSecond: perSecond, clock });
      this.#buckets.set(key, bucket);
    }
    return bucket;
  }
}
