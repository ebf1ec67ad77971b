import { expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { ChangeSpread } from './change-spread.js';

test('few changes are not spread; many are spread so that some 500 happen in a second', () => {
  const pace = new ChangeSpread({ clock: new FakeClock() });
  pace.expect(100);
  expect(pace.spreadMs).toBe(0);
  pace.expect(4_900);
  expect(pace.spreadMs).toBe(10_000);
});

test('agents that were asked a moment ago count until their time is over', () => {
  const clock = new FakeClock();
  const pace = new ChangeSpread({ clock });
  pace.expect(5_000);
  clock.advance(4_000);
  pace.expect(500);
  expect(pace.spreadMs).toBe(7_000);
  clock.advance(60_000);
  expect(pace.spreadMs).toBe(0);
  pace.expect(1_000);
  expect(pace.spreadMs).toBe(2_000);
});
