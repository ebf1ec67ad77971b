import { expect, test } from '@jest/globals';
import { titleWithout } from './findings-title.js';

const PASSES = { scans: 1, findings: 0, passes: 3, isWhole: true, isAll: true };

test('that every check passes is said only where all is known and one passes', () => {
  expect(titleWithout(PASSES)).toBe('It passes every check');
  expect(titleWithout({ ...PASSES, isAll: false })).toBe('It passes every check of the newest scans');
  expect(titleWithout({ ...PASSES, isWhole: false })).toBe('Nothing is known to fail; not all of it is known');
  expect(titleWithout({ ...PASSES, passes: 0 })).toBe('No check applies to it');
  expect(titleWithout({ ...PASSES, passes: 0, isWhole: false })).toContain('not all of it is known');
  expect(titleWithout({ ...PASSES, findings: 1 })).toBeUndefined();
});

test('that no scan names it is said of the scans that were looked at', () => {
  const none = { ...PASSES, scans: 0, passes: 0 };
  expect(titleWithout(none)).toBe('No scan that is kept names it');
  expect(titleWithout({ ...none, isAll: false })).toBe('None of the newest scans names it');
});
