import { describe, expect, it } from '@jest/globals';
import { returnSpread } from './return-spread.js';

describe('the time within which agents return', () => {
  it.each([
    [0, 1_000],
    [1_500, 1_000],
    [5_000, 1_000],
    [7_500, 1_500],
    [15_000, 3_000],
    [45_000, 9_000],
    [60_000, 10_000],
  ])('for %d sessions, at 2,000 upgrades a second, is %d ms', (sessions, spreadMs) => {
    expect(returnSpread(sessions, 2_000)).toBe(spreadMs);
  });

  it('lets 95 % of up to 15,000 endpoints try within 5 s, with 2 s for the loss to be seen and the session to open', () => {
    expect(0.95 * returnSpread(15_000, 2_000)).toBeLessThan(5_000 - 2_000);
  });
});
