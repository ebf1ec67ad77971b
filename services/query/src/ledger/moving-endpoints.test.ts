import { expect, test } from '@jest/globals';
import { MovingEndpoints } from './moving-endpoints.js';

test('an endpoint is waited for until five seconds after the first look at the clock, and given once', () => {
  const moving = new MovingEndpoints();
  moving.add(7);
  const at = (nowMs: number): number[] => [...moving.expired(nowMs)];
  expect([100_000, 104_999, 105_000, 105_001].map(at)).toEqual([[], [], [7], []]);
});

test('one that moves again is waited for anew', () => {
  const moving = new MovingEndpoints();
  for (const num of [1, 2]) moving.add(num);
  const at = (nowMs: number): number[] => [...moving.expired(nowMs)];
  at(100_000);
  moving.add(1);
  expect([104_000, 105_000, 109_000].map(at)).toEqual([[], [2], [1]]);
});
