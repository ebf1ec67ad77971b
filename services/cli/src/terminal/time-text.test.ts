import { expect, test } from '@jest/globals';
import { durationText, wallTime } from './time-text.js';

test.each([
  [0, '0 s'],
  [400, '0 s'],
  [45_000, '45 s'],
  [59_600, '60 s'],
  [60_000, '1 min'],
  [90_000, '1 min 30 s'],
  [720_000, '12 min'],
  [3_599_900, '1 h'],
  [7_200_000, '2 h'],
  [9_000_000, '2 h 30 min'],
  [86_399_000, '1 d'],
  [90_000_000, '1 d 1 h'],
])('%p ms is %p', (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

test('a time of another day has its date', () => {
  const at = new Date(2026, 0, 2, 3, 4, 5);
  const [today, yesterday] = [at.getTime(), at.getTime() - 86_400_000];
  expect(wallTime(at.toISOString(), today)).toBe('03:04:05 UTC');
  expect(wallTime(at.toISOString(), yesterday)).toBe('2026-01-02 03:04:05 UTC');
});
