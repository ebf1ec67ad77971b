import { expect, test } from '@jest/globals';
import { FakeClock } from './testing/fake-clock.js';
import { TokenBucket } from './token-bucket.js';

test('a burst up to the capacity passes, then the rate holds, and a refusal tells when to come back', () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket({ capacity: 3, refillPerSecond: 2, clock });
  expect([1, 2, 3].map(() => bucket.take().ok)).toEqual([true, true, true]);
  expect(bucket.take()).toEqual({ ok: false, retryAfterMs: 500 });
  clock.advance(499);
  expect(bucket.take()).toEqual({ ok: false, retryAfterMs: 1 });
  clock.advance(1);
  expect(bucket.take()).toEqual({ ok: true });
});

test('a refused take costs nothing, and a quiet time fills the bucket no further than its capacity', () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket({ capacity: 2, refillPerSecond: 1, clock });
  clock.advance(3_600_000);
  expect(bucket.take(2)).toEqual({ ok: true });
  for (let i = 0; i < 10; i += 1) expect(bucket.take(2)).toEqual({ ok: false, retryAfterMs: 2_000 });
});

test('more than the capacity is never to be had', () => {
  const bucket = new TokenBucket({ capacity: 2, refillPerSecond: 1, clock: new FakeClock() });
  expect(bucket.take(3)).toEqual({ ok: false, retryAfterMs: Number.POSITIVE_INFINITY });
});

test('a bucket that could never give anything is refused when it is made', () => {
  const clock = new FakeClock();
  expect(() => new TokenBucket({ capacity: 0, refillPerSecond: 1, clock })).toThrow(RangeError);
  expect(() => new TokenBucket({ capacity: 1, refillPerSecond: Number.NaN, clock })).toThrow(RangeError);
});
