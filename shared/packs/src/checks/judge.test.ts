import { expect, test } from '@jest/globals';
import type { Check } from '../format/pack-schema.js';
import { type CheckAnswer, judge } from './judge.js';

const check: Check = { id: 'a', title: 'A', severity: 'low', platforms: ['linux'], sql: 'ask', row_means: 'fail' };
const rows = (count: number, complete = true): CheckAnswer => ({ kind: 'rows', rows: count, complete });

function outcome(one: Partial<Check>, answers: Record<string, CheckAnswer>, platform = 'linux'): string {
  return judge({ ...check, ...one }, platform, (sql) => answers[sql] ?? { kind: 'error', message: 'not expected' })
    .outcome;
}

test.each([
  ['fail', 1, true, 'fail'],
  ['fail', 0, true, 'pass'],
  ['pass', 1, true, 'pass'],
  ['pass', 0, true, 'fail'],
  // What fails is there, whatever could not be read besides. A row that means pass may be there because something could not be read.
  ['fail', 1, false, 'fail'],
  ['pass', 1, false, 'error'],
  // No row in an answer that lacks something says nothing.
  ['fail', 0, false, 'error'],
  ['pass', 0, false, 'error'],
] as const)('a row means %s; %s rows, complete: %s', (row_means, count, complete, expected) => {
  expect(outcome({ row_means }, { ask: rows(count, complete) })).toBe(expected);
});

test('more rows that mean fail than the budget takes are a fail, and what was not read to its end is no pass', () => {
  const over = { ...rows(9, false), over: 'more than 9 rows' } as CheckAnswer;
  expect(judge(check, 'linux', () => over)).toEqual({ outcome: 'fail', reason: 'more than 9 rows' });
  expect(outcome({ row_means: 'pass' }, { ask: over })).toBe('over_budget');
  expect(outcome({}, { ask: { ...over, rows: 0 } as CheckAnswer })).toBe('over_budget');
});

test('applies_if decides whether the question is asked', () => {
  const one = { applies_if: 'applies' };
  expect(outcome(one, { applies: rows(0) })).toBe('not_applicable');
  expect(outcome(one, { applies: rows(0, false) })).toBe('error');
  expect(outcome(one, { applies: { kind: 'over_budget', message: '' } })).toBe('over_budget');
  expect(outcome(one, { applies: rows(1), ask: rows(0) })).toBe('pass');
});

test('errors and budgets are told as such, other platforms and missing SQL are not applicable', () => {
  expect(outcome({}, { ask: { kind: 'error', message: 'x' } })).toBe('error');
  expect(outcome({}, { ask: { kind: 'over_budget', message: 'x' } })).toBe('over_budget');
  expect(outcome({}, {}, 'windows')).toBe('not_applicable');
  expect(outcome({ not_applicable: 'a command' }, {})).toBe('not_applicable');
});
