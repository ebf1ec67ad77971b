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
  ['a check of that severity is an error on one endpoint', scan([check('high', { pass: 1, error: 1 })]), EXIT.partial],
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

const passes = [check('critical', { pass: 1 })];

test.each(['unreachable', 'timedOut', 'refused', 'error', 'overBudget', 'empty', 'waiting', 'away'])(
  'who is %s is not hidden by what others pass, with and without --fail-on',
  (outcome) => {
    const whole = scan(passes, 2);
    const ledger = { ...whole.ledger, answered: 1, [outcome]: 1 };
    for (const failOn of [undefined, 'high'] as const) {
      expect(scanExit({ ...whole, ledger }, failOn)).toBe(EXIT.partial);
      expect(scanExit(whole, failOn)).toBe(EXIT.complete);
    }
    // What fails is said all the same.
    expect(scanExit({ ...whole, ledger, checks: [check('critical', { fail: 1 })] }, 'high')).toBe(EXIT.findings);
  },
);

test.each([
  ['is not counted', { recorded: false, checks: [] }],
  ['was cancelled', { state: 'cancelled' }],
  ['was interrupted', { state: 'interrupted' }],
  ['runs', { state: 'running' }],
  ['has more outcomes than are kept', { truncated: 'too many different outcomes' }],
])('a scan that %s is not complete, whatever passes', (_what, more) => {
  const given = { ...scan(passes, 2), ...more } as ScanJson;
  for (const failOn of [undefined, 'high'] as const) expect(scanExit(given, failOn)).toBe(EXIT.partial);
});

test('endpoints that are away were not asked: the code is of those that were, and the summary counts them', () => {
  expect(scanExit(scan(passes, 2, 3), 'high')).toBe(EXIT.complete);
});
