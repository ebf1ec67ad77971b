import type { Clock } from '@muster/runtime';
import { LRUCache } from 'lru-cache';

/** A bounded memory whose entries are forgotten after `ttlMs`, by the given clock. Beyond `max` entries the oldest go first. */
export function expiringCache<V extends NonNullable<unknown>>(
  clock: Pick<Clock, 'monotonic'>,
  { max, ttlMs }: { readonly max: number; readonly ttlMs: number },
): LRUCache<string, V> {
  return new LRUCache({
    max,
    // lru-cache forgets entries older than this; ours end at the age of `ttlMs`.
    ttl: ttlMs - 1,
    ttlResolution: 0,
    // lru-cache takes 0 for "no time", and clocks of tests begin at 0.
    perf: { now: () => clock.monotonic() + 1 },
  });
}
