import { expect } from '@jest/globals';
import { EMPTY_LEDGER, ledgerBalances, type GatewayId, type Ledger, type Outcome } from '@muster/protocol';
import type { Failure, ResultForm } from '@muster/records';
import { QueryLedger } from '../ledger/query-ledger.js';

export const [A, B, C] = ['gw-a', 'gw-b', 'gw-c'] as [GatewayId, GatewayId, GatewayId];
export const ROWS = Uint8Array.of(1);
export const RECOVERABLE = ['disconnected', 'unreachable', 'timed_out'] as const;
export const REPORTED = ['error', 'refused', 'over_budget'] as const;
export const failure = (num: number, outcome: Outcome, code = 'code'): Failure => [num, outcome, code, 'message'];

/** A ledger whose gateways have all spoken, unless that is not wanted. */
export function ledgerOf(form: ResultForm, isSealed = true) {
  const released: (readonly [num: number, rows: Uint8Array])[] = [];
  const ledger = new QueryLedger({ form, onReleased: (num, rows) => void released.push([num, rows]) });
  if (isSealed) ledger.seal();
  return { ledger, released };
}

export function expectCounts(ledger: QueryLedger, counts: Partial<Ledger>): void {
  const snapshot = ledger.snapshot();
  expect(snapshot).toEqual({ ...EMPTY_LEDGER, ...counts });
  expect(ledgerBalances(snapshot)).toBe(true);
  expect(ledger.waiting).toBe(counts.waiting ?? 0);
}

/** What was not answered, and why. */
export const failuresOf = (ledger: QueryLedger) => ledger.failures.takeFailures(1_000_000);
