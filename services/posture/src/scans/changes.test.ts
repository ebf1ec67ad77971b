import { expect, test } from '@jest/globals';
import type { CheckCounts } from '@muster/records';
import { changesSince } from './changes.js';

const check = (id: string, fail: number, pass: number, more: Partial<CheckCounts> = {}) => ({
  ...{ id, title: id, severity: 'high', fail, pass, error: 0, not_applicable: 0, over_budget: 0, uncounted: 0 },
  ...more,
});

test('fails now, mended and still failing', () => {
  const before = [check('a', 0, 2), check('b', 2, 0), check('c', 1, 1), check('f', 1, 1)];
  const now = [check('a', 1, 1), check('b', 0, 2), check('c', 1, 1), check('f', 0, 1, { not_applicable: 1 })];
  expect(changesSince(before, now)).toEqual({ fails: ['a'], mended: ['b', 'f'], still: ['c'], spreads: [] });
});

test.each([
  ['it has no verdict any more', check('a', 1, 0), check('a', 0, 0)],
  ['who failed is away, and others pass', check('a', 1, 5), check('a', 0, 5)],
  [
    'who failed is away, and it applies to no other',
    check('a', 1, 0, { not_applicable: 5 }),
    check('a', 0, 0, { not_applicable: 5 }),
  ],
  ['who failed cannot be judged', check('a', 1, 5), check('a', 0, 5, { error: 1 })],
  ['what fails is excepted', check('a', 1, 5), check('a', 1, 5, { excepted: 1 })],
])('nothing is mended when %s', (_when, before, now) => {
  expect(changesSince([before], [now]).mended).toEqual([]);
});

test.each([
  ['it is new in the pack', [], check('a', 1, 0)],
  ['it could not be judged before', [check('a', 0, 0, { error: 3 })], check('a', 1, 2)],
])('nothing fails now when %s', (_when, before, now) => {
  expect(changesSince(before, [now]).fails).toEqual([]);
});

test.each([
  ['more of the same endpoints fail', check('a', 1, 14_999), check('a', 15_000, 0), true],
  ['only endpoints fail that were not scanned before', check('a', 1, 9), check('a', 3, 9), false],
  ['more fail than came', check('a', 1, 9), check('a', 4, 8), true],
  ['fewer fail', check('a', 3, 0), check('a', 2, 1), false],
  ['more fail by exceptions', check('a', 1, 9), check('a', 9, 1, { excepted: 8 }), false],
])('one that fails still spreads or not when %s', (_when, before, now, expected) => {
  expect(changesSince([before], [now])).toMatchObject({ still: ['a'], spreads: expected ? ['a'] : [] });
});

test('what was excepted and is not any more fails now', () => {
  expect(changesSince([check('a', 2, 0, { excepted: 2 })], [check('a', 2, 0)]).fails).toEqual(['a']);
});
