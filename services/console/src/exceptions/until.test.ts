import { expect, test } from '@jest/globals';
import { selectorOf, untilOf } from './until.js';

test('an exception is for the endpoints of a finding where all are known, and else for those of the scan', () => {
  const one = { agentId: 'a1' };
  expect(selectorOf({ endpoints: 1, sample: [one] }, 'env=prod')).toBe('id=a1');
  expect(selectorOf({ endpoints: 2, sample: [one, { agentId: 'a2' }] }, 'env=prod')).toBe('id in (a1,a2)');
  expect(selectorOf({ endpoints: 3, sample: [one, { agentId: 'a2' }] }, 'env=prod')).toBe('env=prod');
  expect(selectorOf({ endpoints: 2, sample: [one, { agentId: null }] }, 'env=prod')).toBe('env=prod');
  expect(selectorOf({ endpoints: 0, sample: [] }, '')).toBe('');
  expect(untilOf('30d', 0)).toBe('1970-01-31T00:00:00.000Z');
});
