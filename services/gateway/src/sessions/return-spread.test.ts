import { describe, expect, it } from '@jest/globals';
import { returnSpread } from './return-spread.js';

describe('the time within which agents return', () => {
  it.each([
    [0, 1_000],
    [1_500, 1_000],
    [7_500, 3_750],
    [15_000, 7_500],
    [60_000, 10_000],
  ])('for %d sessions, at 2,000 upgrades a second, is %d ms', (sessions, spreadMs) => {
    expect(returnSpread(sessions, 2_000)).toBe(spreadMs);
  });
});
