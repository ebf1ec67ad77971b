import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Failure } from '@muster/records';
import { FailureTracker } from './failure-tracker.js';

const ALL = 1_000_000;
const failure = (num: number, message = ''): Failure => [num, 'disconnected', 'code', message];

describe('failures', () => {
  test('are given once, in the order in which they came', () => {
    const tracker = new FailureTracker();
    tracker.failed(failure(2));
    tracker.failed(failure(1));
    expect(tracker.takeFailures(ALL)).toEqual([failure(2), failure(1)]);
    expect(tracker.takeFailures(ALL)).toEqual([]);
  });

  test('that change between two events are given in their latest state only, and again when they change later', () => {
    const tracker = new FailureTracker();
    tracker.failed(failure(1, 'first'));
    tracker.failed(failure(1, 'second'));
    expect(tracker.takeFailures(ALL)).toEqual([failure(1, 'second')]);
    tracker.failed(failure(1, 'third'));
    expect(tracker.takeFailures(ALL)).toEqual([failure(1, 'third')]);
  });

  test('are given until the bytes are reached: 40 each, the code, and three for each character of the message', () => {
    const filled = () => {
      const tracker = new FailureTracker();
      for (const num of [1, 2, 3]) tracker.failed(failure(num, '0123456789'));
      return tracker;
    };
    const size = 40 + 'code'.length + 3 * 10;
    expect(filled().takeFailures(0)).toEqual([]);
    expect(filled().takeFailures(1)).toHaveLength(1);
    expect(filled().takeFailures(size)).toHaveLength(1);
    expect(filled().takeFailures(size + 1)).toHaveLength(2);
    expect(filled().takeFailures(2 * size)).toHaveLength(2);
    const tracker = filled();
    tracker.takeFailures(size);
    expect(tracker.takeFailures(ALL)).toHaveLength(2);
  });

  test('keep the code and the message that each endpoint said, whatever is in them', () => {
    const texts = fc.tuple(
      ...Array.from({ length: 2 }, () => fc.string({ unit: fc.constantFrom('\n', ' ', '1', 'a') })),
    );
    fc.assert(
      fc.property(fc.array(texts, { maxLength: 40 }), (reasons) => {
        const tracker = new FailureTracker();
        const failures = reasons.map(([code, message], num): Failure => [num, 'error', code ?? '', message ?? '']);
        for (const one of failures) tracker.failed(one);
        expect(tracker.takeFailures(ALL)).toEqual(failures);
      }),
    );
    const tracker = new FailureTracker();
    const failures: Failure[] = [
      [1, 'error', 'sql_error\nline 1', 'x'],
      [2, 'error', 'sql_error', 'line 1\nx'],
    ];
    for (const one of failures) tracker.failed(one);
    expect(tracker.takeFailures(ALL)).toEqual(failures);
  });

  test('of endpoints that wait again are not given', () => {
    const tracker = new FailureTracker();
    tracker.failed(failure(1));
    tracker.recovered(1);
    expect(tracker.takeFailures(ALL)).toEqual([]);
  });
});

test('the list is what was given: a failure counts from then on, until its recovery is given', () => {
  const tracker = new FailureTracker();
  for (const num of [1, 2]) tracker.failed(failure(num));
  expect(tracker.listed).toEqual({});
  tracker.takeFailures(ALL);
  expect(tracker.listed).toEqual({ disconnected: 2 });
  tracker.failed([1, 'error', 'sql', '']);
  tracker.recovered(2);
  expect(tracker.listed).toEqual({ disconnected: 2 });
  tracker.takeRecovered(ALL);
  tracker.takeFailures(ALL);
  expect(tracker.listed).toEqual({ disconnected: 0, error: 1 });
});

describe('recovered endpoints', () => {
  test('are those that were given as failures and are none any more, each once', () => {
    const tracker = new FailureTracker();
    for (const num of [1, 2, 3]) tracker.failed(failure(num));
    tracker.takeFailures(ALL);
    for (const num of [3, 1]) {
      tracker.recovered(num);
      tracker.recovered(num);
      expect(tracker.takeRecovered(ALL)).toEqual([num]);
    }
    expect(tracker.takeRecovered(ALL)).toEqual([]);
  });

  test('are not those whose failure nobody was given', () => {
    const tracker = new FailureTracker();
    tracker.failed(failure(1));
    tracker.recovered(1);
    tracker.recovered(2);
    expect([tracker.takeFailures(ALL), tracker.takeRecovered(ALL)]).toEqual([[], []]);
  });

  test('are given up to the limit', () => {
    const tracker = new FailureTracker();
    for (const num of [1, 2, 3]) tracker.failed(failure(num));
    tracker.takeFailures(ALL);
    for (const num of [1, 2, 3]) tracker.recovered(num);
    expect([0, 2, 2, 2].map((limit) => tracker.takeRecovered(limit))).toEqual([[], [1, 2], [3], []]);
  });
});
