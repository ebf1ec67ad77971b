import { TokenBucket, type Clock } from '@muster/runtime';
import { LRUCache } from 'lru-cache';

export interface FairRateOptions {
  readonly clock: Clock;
  /** What each key may take, whatever others do. */
  readonly own: { readonly capacity: number; readonly refillPerSecond: number };
  /** What all keys share that have taken their own. Without it they get no more. */
  readonly pool?: { readonly capacity: number; readonly refillPerSecond: number };
  readonly maxKeys?: number;
}

/** From which of the two it came, or how long until there is more. */
export type FairTake = { readonly from: 'own' | 'pool' } | { readonly from: 'none'; readonly retryAfterMs: number };

const MAX_KEYS = 20_000;

/**
 * A rate limit by key in which one key cannot take what others need: each has a rate of its own, and only those that are over it share a
 * pool. The number of keys is bounded; the least recently used one is forgotten first, and then has its whole burst again.
 */
export class FairRate {
  readonly #options: FairRateOptions;
  /** Made with the first key: lru-cache sets room for all of them aside at once. */
  #buckets: LRUCache<string, TokenBucket> | undefined;
  readonly #pool: TokenBucket | undefined;

  constructor(options: FairRateOptions) {
    this.#options = options;
    this.#pool = options.pool && new TokenBucket({ ...options.pool, clock: options.clock });
  }

  take(key: string): FairTake {
    const own = this.#bucket(key).take();
    if (own.ok) return { from: 'own' };
    const shared = this.#pool?.take();
    if (shared?.ok === true) return { from: 'pool' };
    return { from: 'none', retryAfterMs: Math.min(own.retryAfterMs, shared?.retryAfterMs ?? own.retryAfterMs) };
  }

  /** Like `take`, but what is the key's own is only looked at: `spend` takes it, once it is known that it has to be paid. */
  peek(key: string): FairTake {
    const bucket = this.#buckets?.get(key);
    if (bucket === undefined || !bucket.isEmpty) return { from: 'own' };
    const shared = this.#pool?.take();
    if (shared?.ok === true) return { from: 'pool' };
    return { from: 'none', retryAfterMs: shared?.retryAfterMs ?? 1_000 };
  }

  spend(key: string): void {
    this.#bucket(key).take();
  }

  #bucket(key: string): TokenBucket {
    this.#buckets ??= new LRUCache({ max: this.#options.maxKeys ?? MAX_KEYS });
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    const bucket = new TokenBucket({ ...this.#options.own, clock: this.#options.clock });
    this.#buckets.set(key, bucket);
    return bucket;
  }
}
