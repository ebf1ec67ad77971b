import type { Clock } from '@muster/runtime';
import { LRUCache } from 'lru-cache';

interface ExpiringCacheOptions {
  readonly max: number;
  readonly ttlMs: number;
}

/**
 * A bounded memory whose entries are forgotten after `ttlMs`, by the given clock. Beyond `max` entries the oldest go first. lru-cache sets
 * room for all of them aside at once, so it is made with the first entry: many a gateway never needs it.
 */
export class ExpiringCache<V extends NonNullable<unknown>> {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #options: ExpiringCacheOptions;
  #made: LRUCache<string, V> | undefined;

  constructor(clock: Pick<Clock, 'monotonic'>, options: ExpiringCacheOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  has(key: string): boolean {
    return this.#made?.has(key) === true;
  }

  /** What is kept; its place among the oldest stays. */
  peek(key: string): V | undefined {
    return this.#made?.peek(key);
  }

  set(key: string, value: V): void {
    this.#made ??= this.#make();
    this.#made.set(key, value);
  }

  #make(): LRUCache<string, V> {
    const { max, ttlMs } = this.#options;
    return new LRUCache({
      max,
      // lru-cache forgets entries older than this; ours end at the age of `ttlMs`.
      ttl: ttlMs - 1,
      ttlResolution: 0,
      // lru-cache takes 0 for "no time", and clocks of tests begin at 0.
      perf: { now: () => this.#clock.monotonic() + 1 },
    });
  }
}
