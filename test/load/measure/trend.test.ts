import { expect, it } from '@jest/globals';
import { trendOf } from './trend.js';

/** The same noise in each run. */
const noise = (i: number): number => ((i * 7_919) % 13) - 6;

it('a value that only wavers is flat, and one that grows by as much is not', () => {
  const still = trendOf(Array.from({ length: 30 }, (_, i) => 100 + noise(i)));
  expect([still.isFlat, Math.abs(still.slope) < 0.3]).toEqual([true, true]);
  const growing = trendOf(Array.from({ length: 30 }, (_, i) => 100 + 2 * i + noise(i)));
  expect(growing.isFlat).toBe(false);
  expect(growing.slope).toBeCloseTo(2, 0);
  expect(trendOf(Array.from({ length: 30 }, (_, i) => 100 - i)).isFlat).toBe(true);
});

it('a straight line has its slope and no error', () => {
  const { slope, error } = trendOf([1, 3, 5, 7]);
  expect(slope).toBeCloseTo(2, 9);
  expect(error).toBeCloseTo(0, 9);
  expect(trendOf([1, 2]).error).toBeNaN();
});
