import { EMPTY_COMMAND_LEDGER, EMPTY_LEDGER, OUTCOMES, COMMAND_STATES } from '@muster/protocol/vocabulary';
import { expect, test } from '@jest/globals';
import { commandSegments, ledgerSentence, querySegments, unanswered } from './segments.js';

test('every outcome of a query has a segment, and the segments add up', () => {
  const counts = Object.fromEntries([...OUTCOMES, 'waiting'].map((name, at) => [name, at + 1]));
  const targeted = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const segments = querySegments({ ...EMPTY_LEDGER, ...counts, targeted });
  expect(segments.map(({ key }) => key).sort()).toEqual([...OUTCOMES, 'waiting'].sort());
  expect(segments.reduce((sum, { count }) => sum + count, 0)).toBe(targeted);
  expect(segments.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
});

test('every state of a command has a segment', () => {
  const counts = Object.fromEntries(COMMAND_STATES.map((state) => [state, 1]));
  const segments = commandSegments({ ...EMPTY_COMMAND_LEDGER, ...counts, targeted: COMMAND_STATES.length });
  expect(segments.map(({ key }) => key).sort()).toEqual([...COMMAND_STATES].sort());
});

test('the sentence names what is there, and nothing else', () => {
  const ledger = { ...EMPTY_LEDGER, targeted: 1_258, answered: 1_257, error: 1 };
  expect(ledgerSentence(querySegments(ledger), 1_258)).toBe('1,258 targeted = 1,257 answered + 1 error');
  expect(ledgerSentence([], 0)).toBe('nobody targeted');
  expect(unanswered(ledger)).toBe(1);
});
