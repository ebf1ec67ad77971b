import { describe, expect, it } from '@jest/globals';
import { quantile, spreadOf } from './statistics.js';

describe('quantiles', () => {
  it('are measured values, by the nearest rank', () => {
    const values = [50, 15, 20, 40, 35];
    expect([0.05, 0.3, 0.4, 0.5, 1].map((share) => quantile(values, share))).toEqual([15, 20, 20, 35, 50]);
    expect(values).toEqual([50, 15, 20, 40, 35]);
  });

  it('of one value are that value, and of none NaN', () => {
    expect(spreadOf([7])).toEqual({ median: 7, p95: 7, values: [7] });
    expect(quantile([], 0.5)).toBeNaN();
  });
});
