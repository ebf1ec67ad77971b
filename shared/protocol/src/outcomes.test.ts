import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  AGENT_OUTCOMES,
  EMPTY_LEDGER,
  isAnswer,
  ledgerBalances,
  ledgerComplete,
  ledgerMostlyAnswered,
  OUTCOMES,
  type Ledger,
} from './outcomes.js';

describe('a ledger', () => {
  it('balances exactly when everybody targeted is accounted for once', () => {
    const counts = fc.array(fc.nat({ max: 20_000 }), { minLength: 9, maxLength: 9 });
    fc.assert(
      fc.property(counts, fc.integer({ min: -2, max: 2 }), ([waiting = 0, ...rest], off) => {
        const outcomes = Object.fromEntries(OUTCOMES.map((outcome, i) => [outcome, rest[i] ?? 0]));
        const targeted = [waiting, ...rest].reduce((sum, count) => sum + count, 0) + off;
        expect(ledgerBalances({ ...EMPTY_LEDGER, ...outcomes, waiting, targeted })).toBe(off === 0);
      }),
    );
  });

  it('is complete when everybody answered, with rows or without', () => {
    const ledger: Ledger = { ...EMPTY_LEDGER, targeted: 3, answered: 2, empty: 1 };
    expect(ledgerComplete(ledger)).toBe(true);
    expect(ledgerComplete({ ...ledger, empty: 0, error: 1 })).toBe(false);
    expect(ledgerComplete({ ...ledger, empty: 0, waiting: 1 })).toBe(false);
    expect(ledgerComplete(EMPTY_LEDGER)).toBe(true);
    expect(ledgerBalances(EMPTY_LEDGER)).toBe(true);
  });

  it('says something of all when half of them answered', () => {
    expect(ledgerMostlyAnswered({ ...EMPTY_LEDGER, targeted: 4, answered: 1, empty: 1, refused: 2 })).toBe(true);
    expect(ledgerMostlyAnswered({ ...EMPTY_LEDGER, targeted: 5, answered: 1, empty: 1, refused: 3 })).toBe(false);
    expect(ledgerMostlyAnswered(EMPTY_LEDGER)).toBe(false);
  });

  it('has a place for every outcome', () => {
    expect(Object.keys(EMPTY_LEDGER).toSorted()).toEqual([...OUTCOMES, 'targeted', 'waiting'].toSorted());
  });

  it('counts as answers what agents do not report as failures', () => {
    expect(OUTCOMES.filter(isAnswer)).toEqual(['answered', 'empty']);
    expect(AGENT_OUTCOMES.some(isAnswer)).toBe(false);
  });
});
