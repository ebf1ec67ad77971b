import { expect, test } from '@jest/globals';
import { afterCountsEvent } from './live-counts.js';

test('a count that is refused says why, instead of counting for ever; when it goes on it counts again', () => {
  const refused = { event: 'refused', seq: null, problem: { code: 'rate_limited', detail: 'too many are open' } };
  const known = afterCountsEvent({}, refused);
  expect(known).toEqual({ refusal: 'too many are open' });
  expect(afterCountsEvent(known, { event: 'heartbeat' })).toBe(known);
  const counts = { total: 3 };
  expect(afterCountsEvent(known, { event: 'counts', seq: null, counts })).toEqual({ counts });
  expect(afterCountsEvent({}, { event: 'refused', seq: null })).toEqual({ refusal: 'the stream was refused' });
});
