import { expect, it } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { FairRate } from './fair-rate.js';

const OWN = { capacity: 2, refillPerSecond: 1 };
const POOL = { capacity: 1, refillPerSecond: 1 };

it('gives each key its own, and those that are over theirs what the pool has', () => {
  const rate = new FairRate({ clock: new FakeClock(), own: OWN, pool: POOL });
  expect(['a', 'a', 'a', 'a', 'b', 'b'].map((key) => rate.take(key).from)).toEqual([
    ...['own', 'own', 'pool', 'none', 'own', 'own'],
  ]);
});

it('says when there is more', () => {
  const clock = new FakeClock();
  const rate = new FairRate({ clock, own: { capacity: 1, refillPerSecond: 0.1 }, pool: POOL });
  for (let i = 0; i < 2; i += 1) rate.take('a');
  expect(rate.take('a')).toEqual({ from: 'none', retryAfterMs: 1_000 });
  clock.advance(1_000);
  expect(rate.take('a').from).toBe('pool');
});

it('takes what is paid afterwards only from who has to pay it', () => {
  const rate = new FairRate({ clock: new FakeClock(), own: OWN, pool: POOL });
  for (let i = 0; i < 5; i += 1) expect(rate.peek('honest').from).toBe('own');
  for (let i = 0; i < 2; i += 1) rate.spend('a');
  expect([rate.peek('a').from, rate.peek('a').from, rate.peek('honest').from]).toEqual(['pool', 'none', 'own']);
});

it('remembers a bounded number of keys', () => {
  const rate = new FairRate({ clock: new FakeClock(), own: OWN, maxKeys: 2 });
  for (const key of ['a', 'a', 'a', 'b', 'c']) rate.take(key);
  expect(rate.take('a').from).toBe('own');
});
