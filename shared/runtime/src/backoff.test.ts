import { describe, expect, test } from '@jest/globals';
import { fullJitter } from './backoff.js';

/** mulberry32: the same numbers on every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('full jitter', () => {
  test('the ceiling doubles from the base up to the cap', () => {
    const backoff = fullJitter({ baseMs: 100, capMs: 1_000, random: () => 0.999_999 });
    expect(Array.from({ length: 6 }, () => backoff.next())).toEqual([99, 199, 399, 799, 999, 999]);
    backoff.reset();
    expect([backoff.attempt, backoff.next(), backoff.attempt]).toEqual([0, 99, 1]);
  });

  test('it stays at the cap after any number of attempts', () => {
    const backoff = fullJitter({ baseMs: 1, capMs: 60_000, random: () => 0.5 });
    for (let i = 0; i < 5_000; i += 1) backoff.next();
    expect(backoff.next()).toBe(30_000);
  });

  test('a fleet that fails together spreads evenly over the first delay already', () => {
    const random = seeded(7);
    const delays = Array.from({ length: 10_000 }, () => fullJitter({ baseMs: 1_000, capMs: 60_000, random }).next());
    const tenths = Array.from({ length: 10 }, (_, i) => delays.filter((ms) => Math.floor(ms / 100) === i).length);
    expect(Math.min(...tenths)).toBeGreaterThan(850);
    expect(Math.max(...tenths)).toBeLessThan(1_150);
  });

  test('the bound doubles when each of several servers has failed', () => {
    const backoff = fullJitter({ baseMs: 1_000, capMs: 60_000, repeats: 2, random: () => 0.999_999 });
    expect(Array.from({ length: 5 }, () => backoff.next())).toEqual([999, 999, 1_999, 1_999, 3_999]);
  });

  test('a spread that the server knows of widens the jitter, even above the cap, and never narrows it', () => {
    const backoff = fullJitter({ baseMs: 1_000, capMs: 2_000, random: () => 0.999_999 });
    expect([backoff.next(0, 5_000), backoff.next(0, 1_000)]).toEqual([4_999, 1_999]);
  });

  test('what the server asks for is a floor under the jitter, even above the cap', () => {
    const random = seeded(7);
    const delays = Array.from({ length: 1_000 }, () =>
      fullJitter({ baseMs: 1_000, capMs: 2_000, random }).next(30_000),
    );
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(30_000);
    expect(Math.max(...delays)).toBeLessThan(31_000);
    expect(new Set(delays).size).toBeGreaterThan(500);
  });
});
