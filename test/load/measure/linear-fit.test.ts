import { describe, expect, it } from '@jest/globals';
import { fitLine } from './linear-fit.js';

const SIZES = [5_000, 15_000, 50_000, 100_000];
const of = (value: (size: number) => number) => fitLine(SIZES.map((size) => [size, value(size)]));

describe('the line through figures of several sizes', () => {
  it('is found exactly where there is one', () => {
    const { base, slope, error, isLinear } = of((size) => 120 + 0.03 * size);
    expect(base).toBeCloseTo(120, 6);
    expect(slope).toBeCloseTo(0.03, 9);
    expect([error < 1e-9, isLinear]).toEqual([true, true]);
  });

  it('is no longer one where a figure grows faster than the fleet', () => {
    const square = of((size) => 1e-6 * size * size);
    expect(square.exponent).toBeCloseTo(2, 6);
    expect(square.isLinear).toBe(false);
    expect(of((size) => size * Math.log(size)).isLinear).toBe(true);
    // Linear but for one size that falls out.
    expect(of((size) => (size === 50_000 ? 2 : 1) * size).isLinear).toBe(false);
  });

  it('does not begin below zero and does not fall', () => {
    const late = of((size) => Math.max(1, size - 4_900));
    expect(late.base).toBe(0);
    const falling = of((size) => 1_000_000 / size);
    expect(falling.slope).toBe(0);
  });

  it('goes through zero with one size, and says nothing about growth', () => {
    const one = fitLine([[5_000, 10]]);
    expect([one.base, one.slope, one.isLinear]).toEqual([0, 0.002, true]);
    expect(one.exponent).toBeNaN();
  });

  it('leaves out what was not measured', () => {
    expect(
      fitLine([
        [1, Number.NaN],
        [10, 20],
        [20, 40],
        [30, 0],
      ]).slope,
    ).toBeCloseTo(2, 9);
  });
});
