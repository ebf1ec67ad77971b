import { expect, test } from '@jest/globals';
import { encodeNumberSet } from '@muster/records';
import { answers, newAggregator, targeted, update } from '../testing/gateway-updates.js';

const says = (endpoints: unknown, paused: unknown, looked: unknown) => ({
  working: { endpoints, paused, looked },
});
const NO_COUNTS = [Number.NaN, -1, Number.POSITIVE_INFINITY, 1e300, '7', null, undefined, 7n, {}];

test('an update with a number that is none is refused as a whole, and changes nothing', () => {
  const aggregator = newAggregator('raw');
  aggregator.take(targeted('gw-a', 0, [1, 2]), 0);
  aggregator.take(targeted('gw-b', 0, [3]), 0);
  aggregator.take(update('gw-b', 1, says(1, 1, 5)), 0);
  const refused = (content: object) => expect(() => aggregator.take(update('gw-a', 1, content), 0)).toThrow(RangeError);
  for (const bad of NO_COUNTS) {
    for (const working of [says(bad, 0, 0), says(1, bad, 0), says(1, 0, bad)])
      refused({ answers: answers(1), ...working });
    refused({ seq: bad });
    refused({ warnings: [[1, 'cut', bad, '']] });
    const polls = { nums: encodeNumberSet([1]), withinMs: bad };
    refused({ t: 'targeted', joined: false, targets: encodeNumberSet([1]), polls });
  }
  refused({ seq: 1.5 });
  expect(aggregator.working).toEqual({ endpoints: 1, paused: 1, looked: 5 });
  expect([aggregator.rows, aggregator.lostUpdates, aggregator.ledger.waiting]).toEqual([0, 0, 3]);
  expect(aggregator.take(update('gw-a', 1, { answers: answers(1, 2), ...says(0, 0, 0) }), 0)).toBe('applied');
  expect(aggregator.ledger.snapshot()).toMatchObject({ answered: 2, waiting: 1 });
});

test('so is one with a code or a message that is no text', () => {
  const aggregator = newAggregator('raw');
  aggregator.take(targeted('gw-a', 0, [1]), 0);
  for (const bad of [7, null, undefined, ['x']]) {
    for (const content of [
      { failures: [[1, bad, 'code', '']] },
      { failures: [[1, 'error', bad, '']] },
      { failures: [[1, 'error', 'code', bad]] },
      { warnings: [[1, bad, 1, '']] },
      { warnings: [[1, 'cut', 1, bad]] },
    ])
      expect(() => aggregator.take(update('gw-a', 1, content), 0)).toThrow(TypeError);
  }
  expect(aggregator.ledger.waiting).toBe(1);
});
