import { expect, test } from '@jest/globals';
import { retryAfterMs } from './retry-after.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');

test.each([
  ['120', 120_000],
  ['0', 0],
  ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
  ['Wed, 31 Dec 2025 23:00:00 GMT', 0],
  ['99999999', 600_000],
  ['soon', 0],
  ['-5', 0],
  [undefined, 0],
])('Retry-After %p is %d ms', (header, ms) => {
  expect(retryAfterMs(header, NOW)).toBe(ms);
});
