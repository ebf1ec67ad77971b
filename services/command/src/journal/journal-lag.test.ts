import { expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { JournalLag } from './journal-lag.js';

test('the lag is the age of the first entry that was stored and not read back', () => {
  const clock = new FakeClock();
  const lag = new JournalLag(clock);
  expect(lag.seconds()).toBe(0);
  lag.appended(7);
  clock.advance(2_000);
  lag.appended(8);
  expect(lag.seconds()).toBe(2);
  lag.read(6);
  expect(lag.seconds()).toBe(2);
  lag.read(7);
  expect(lag.seconds()).toBe(0);
  lag.appended(9);
  clock.advance(500);
  expect(lag.seconds()).toBe(0.5);
});

test('an entry that was read before its acknowledgement came is no lag', () => {
  const clock = new FakeClock();
  const lag = new JournalLag(clock);
  lag.read(5);
  lag.appended(5);
  clock.advance(1_000);
  expect(lag.seconds()).toBe(0);
});

test('a journal that begins anew has no lag left from the former one', () => {
  const clock = new FakeClock();
  const lag = new JournalLag(clock);
  lag.read(100);
  lag.appended(101);
  lag.reset();
  clock.advance(1_000);
  expect(lag.seconds()).toBe(0);
  lag.appended(1);
  clock.advance(1_000);
  expect(lag.seconds()).toBe(1);
});
