import { expect, test } from '@jest/globals';
import type { AnswerWarning } from '@muster/records';
import { WarningTracker } from './warning-tracker.js';

test('every endpoint is counted, and the first thousands are kept with their text, in pieces', () => {
  const tracker = new WarningTracker();
  const warnings = Array.from({ length: 12_000 }, (_, num): AnswerWarning => [num, 'cut', 1, 'm'.repeat(100)]);
  tracker.add(warnings);
  tracker.add(warnings.slice(0, 10));
  expect(tracker.endpoints).toBe(12_000);
  const pieces: number[] = [];
  for (let piece = tracker.take(100_000); piece.length > 0; piece = tracker.take(100_000)) pieces.push(piece.length);
  expect(pieces.reduce((sum, length) => sum + length, 0)).toBe(5_000);
  expect(Math.max(...pieces)).toBeLessThan(400);
});

test('endpoints that did not finish a search are counted apart, also beyond what is kept with its text', () => {
  const tracker = new WarningTracker();
  expect(tracker.counts).toEqual({});
  tracker.add(Array.from({ length: 6_000 }, (_, num): AnswerWarning => [num, 'unreadable', 1, 'm']));
  tracker.add([
    [6_001, 'over_time', 1, 'not finished'],
    [6_001, 'unreadable', 1, 'm'],
    [6_002, 'over_rows', 1, 'not finished'],
  ]);
  expect(tracker.counts).toEqual({ warned: 6_002, unfinished: 2 });
});
