import { expect, test } from '@jest/globals';
import type { CheckCountsJson, ScanJson } from '@muster/api-contract';
import { EXIT } from '../terminal/cli-error.js';
import { scanExit } from './render-scan.js';

const NONE = { pass: 0, fail: 0, error: 0, not_applicable: 0, over_budget: 0, uncounted: 0, excepted: 0 };
const check = (severity: string, counts: Partial<typeof NONE>) =>
  ({ id: 'c', title: 'C', severity, ...NONE, ...counts }) as CheckCountsJson;

function scan(checks: readonly CheckCountsJson[], targeted = 2, offline = 0): ScanJson {
  const ledger = {
    targeted,
    answered: targeted,
    empty: 0,
    error: 0,
    unreachable: 0,
    timedOut: 0,
    refused: 0,
    overBudget: 0,
  };
  return { recorded: true, state: 'complete', offline, ledger, checks } as unknown as ScanJson;
}

test.each([
  ['everything passes', scan([check('critical', { pass: 2 })]), EXIT.complete],
  ['a check of that severity fails', scan([check('critical', { pass: 1, fail: 1 })]), EXIT.findings],
  ['what fails is excepted', scan([check('critical', { pass: 1, fail: 1, excepted: 1 })]), EXIT.complete],
  ['a lower one fails', scan([check('low', { fail: 2 })]), EXIT.complete],
  ['nobody is asked', scan([check('critical', {})], 0), EXIT.partial],
  ['all are offline', scan([check('critical', {})], 0, 5), EXIT.partial],
  ['a check of that severity is an error everywhere', scan([check('critical', { error: 2 })]), EXIT.partial],
  [
    'it is over its budget where it applies',
    scan([check('high', { over_budget: 1, not_applicable: 1 })]),
    EXIT.partial,
  ],
  ['it applies nowhere', scan([check('high', { not_applicable: 2 })]), EXIT.complete],
  ['a lower one is an error everywhere', scan([check('low', { error: 2 })]), EXIT.complete],
])('--fail-on high when %s', (_when, given, code) => {
  expect(scanExit(given, 'high')).toBe(code);
});

test('without --fail-on a scan of nobody is not complete either', () => {
  expect(scanExit(scan([], 0), undefined)).toBe(EXIT.partial);
  expect(scanExit(scan([check('critical', { error: 2 })]), undefined)).toBe(EXIT.complete);
});
