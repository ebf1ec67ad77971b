import { expect, test } from '@jest/globals';
import { scoreOf } from './score.js';

test.each([
  ['all passes', [['high', 10, 0]], 100],
  ['all fails', [['low', 0, 3]], 0],
  [
    'weights: critical 10, high 7, medium 3, low 1',
    [
      ['critical', 1, 0],
      ['high', 0, 1],
      ['medium', 1, 0],
      ['low', 0, 1],
    ],
    61.9,
  ],
  ['endpoints count alike', [['high', 3, 1]], 75],
  [
    'info counts nothing',
    [
      ['info', 0, 100],
      ['low', 1, 0],
    ],
    100,
  ],
  ['nothing is known', [['high', 0, 0]], undefined],
  ['nothing is checked', [], undefined],
] as const)('%s', (_what, checks, score) => {
  expect(scoreOf(checks.map(([severity, pass, fail]) => ({ severity, pass, fail })))).toBe(score);
});
