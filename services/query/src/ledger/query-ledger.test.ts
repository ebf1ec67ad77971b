import { describe, expect, test } from '@jest/globals';
import type { Outcome } from '@muster/protocol';
import {
  A,
  B,
  C,
  expectCounts,
  failure,
  failuresOf,
  ledgerOf,
  RECOVERABLE,
  REPORTED,
  ROWS,
} from '../testing/ledger-harness.js';

const FORMS = ['raw', 'group'] as const;

describe.each(FORMS)('the targets of a query: %s', (form) => {
  test('wait at the gateway that has sent them the query, each once', () => {
    const { ledger } = ledgerOf(form);
    expect([ledger.version, ledger.waitingAt(A)]).toEqual([0, 0]);
    expectCounts(ledger, {});
    ledger.target(A, [1, 2], false);
    ledger.target(B, [3], false);
    ledger.target(A, [1, 2], false);
    expectCounts(ledger, { targeted: 3, waiting: 3 });
    expect([ledger.waitingAt(A), ledger.waitingAt(B), ledger.waitingAt(C)]).toEqual([2, 1, 0]);
    expect([ledger.has(3), ledger.has(4), ledger.version]).toEqual([true, false, 3]);
  });

  test.each(RECOVERABLE)('that were %s wait again when they are asked again', (outcome) => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], false);
    expect(ledger.fail(A, failure(1, outcome))).toBe(true);
    expectCounts(ledger, { targeted: 1, [outcome]: 1 });
    expect(ledger.waitingAt(A)).toBe(0);
    ledger.target(B, [1], true);
    expectCounts(ledger, { targeted: 1, waiting: 1 });
    expect([ledger.waitingAt(A), ledger.waitingAt(B), failuresOf(ledger)]).toEqual([0, 1, []]);
  });

  test.each([...REPORTED, 'answered', 'empty'] as const)('that are %s stay so when they are asked again', (outcome) => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], false);
    if (outcome === 'answered') ledger.answer(A, 1, ROWS);
    else if (outcome === 'empty') ledger.empty(A, [1]);
    else ledger.fail(A, failure(1, outcome));
    const { version } = ledger;
    ledger.target(B, [1], true);
    expectCounts(ledger, { targeted: 1, [outcome]: 1 });
    expect([ledger.waitingAt(B), ledger.version]).toEqual([0, version]);
  });
});

describe.each(FORMS)('an answer that names its endpoint: %s', (form) => {
  test('counts once, with rows or without', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1, 2], true);
    expect(ledger.answer(A, 1, ROWS)).toBe('accepted');
    expect(ledger.answer(A, 1, ROWS)).toBe('refused');
    ledger.empty(A, [2]);
    expect(ledger.answer(A, 2, ROWS)).toBe('refused');
    expectCounts(ledger, { targeted: 2, answered: 1, empty: 1 });
    expect(ledger.waitingAt(A)).toBe(0);
  });

  test('counts when the update that targeted its endpoint was lost', () => {
    const { ledger } = ledgerOf(form);
    expect(ledger.answer(A, 1, ROWS)).toBe('accepted');
    ledger.empty(B, [2]);
    expectCounts(ledger, { targeted: 2, answered: 1, empty: 1 });
  });

  test.each(RECOVERABLE)('counts when its endpoint was %s', (outcome) => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], false);
    ledger.fail(A, failure(1, outcome));
    expect(ledger.answer(B, 1, ROWS)).toBe('accepted');
    expectCounts(ledger, { targeted: 1, answered: 1 });
    expect(failuresOf(ledger)).toEqual([]);
  });

  test.each(REPORTED)('is refused when its endpoint has reported %s', (outcome) => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], true);
    ledger.fail(A, failure(1, outcome));
    expect(ledger.answer(A, 1, ROWS)).toBe('refused');
    expectCounts(ledger, { targeted: 1, [outcome]: 1 });
  });

  test('takes back the failure that was told', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1, 2], false);
    for (const num of [1, 2]) ledger.fail(A, failure(num, 'disconnected'));
    expect(failuresOf(ledger)).toHaveLength(2);
    ledger.answer(B, 1, ROWS);
    ledger.empty(B, [2]);
    expect(ledger.failures.takeRecovered(9)).toEqual([1, 2]);
  });
});

describe.each(FORMS)('a failure: %s', (form) => {
  test.each([...RECOVERABLE, ...REPORTED])('%s settles an endpoint that waits, or that nobody knew of', (outcome) => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], false);
    expect([ledger.fail(A, failure(1, outcome)), ledger.fail(A, failure(2, outcome))]).toEqual([true, true]);
    expectCounts(ledger, { targeted: 2, [outcome]: 2 });
    expect(failuresOf(ledger)).toEqual([failure(1, outcome), failure(2, outcome)]);
    expect(ledger.waitingAt(A)).toBe(0);
  });

  test.each(['answered', 'empty', 'unheard of'] as Outcome[])('is not made of %s', (outcome) => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], false);
    expect([ledger.fail(A, failure(1, outcome)), ledger.fail(A, failure(2, outcome))]).toEqual([false, false]);
    expectCounts(ledger, { targeted: 1, waiting: 1 });
  });

  test.each(RECOVERABLE)('that the endpoint reports takes the place of %s, and nothing takes its place', (outcome) => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], false);
    ledger.fail(A, failure(1, outcome));
    expect(ledger.fail(B, failure(1, 'disconnected', 'second'))).toBe(false);
    expect(ledger.fail(B, failure(1, 'error', 'sql'))).toBe(true);
    expect(ledger.fail(A, failure(1, 'refused'))).toBe(false);
    expect(ledger.fail(A, failure(1, outcome))).toBe(false);
    expectCounts(ledger, { targeted: 1, error: 1 });
    expect(failuresOf(ledger)).toEqual([failure(1, 'error', 'sql')]);
  });

  test('that takes the place of one that was told is told too, and its endpoint has not recovered', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], false);
    ledger.fail(A, failure(1, 'disconnected'));
    failuresOf(ledger);
    ledger.fail(A, failure(1, 'error'));
    expect([failuresOf(ledger), ledger.failures.takeRecovered(9)]).toEqual([[failure(1, 'error')], []]);
  });

  test('is one also where the same gateway asked twice', () => {
    const { ledger } = ledgerOf(form);
    for (let i = 0; i < 2; i += 1) ledger.target(A, [1], true);
    ledger.fail(A, failure(1, 'disconnected'));
    expectCounts(ledger, { targeted: 1, disconnected: 1 });
  });

  test('does not take back an answer', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1, 2], true);
    ledger.answer(A, 1, ROWS);
    ledger.empty(A, [2]);
    for (const num of [1, 2]) expect(ledger.fail(A, failure(num, 'error'))).toBe(false);
    expectCounts(ledger, { targeted: 2, answered: 1, empty: 1 });
  });

  test('from a gateway where the endpoint does not wait changes nothing', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], false);
    for (const outcome of [...RECOVERABLE, ...REPORTED]) expect(ledger.fail(B, failure(1, outcome))).toBe(false);
    expectCounts(ledger, { targeted: 1, waiting: 1 });
  });
});

describe('rows merged into groups', () => {
  test('count whatever was known of their endpoints', () => {
    const { ledger } = ledgerOf('group');
    ledger.target(A, [1, 2, 3], false);
    ledger.fail(A, failure(2, 'disconnected'));
    ledger.fail(A, failure(3, 'error'));
    failuresOf(ledger);
    expect(ledger.answeredInGroups(A, [1, 2, 3, 4])).toBe(0);
    expectCounts(ledger, { targeted: 4, answered: 4 });
    expect(ledger.failures.takeRecovered(9)).toEqual([2, 3]);
  });

  test('of endpoints that were counted already are told, and not counted twice', () => {
    const { ledger } = ledgerOf('group');
    ledger.target(A, [1, 2, 3], false);
    ledger.answeredInGroups(A, [1, 2]);
    expect(ledger.answeredInGroups(B, [1, 2, 3])).toBe(2);
    expectCounts(ledger, { targeted: 3, answered: 3 });
  });
});

describe.each(FORMS)('a gateway that is dead: %s', (form) => {
  test('leaves the endpoints that wait there unreachable, and no others', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1, 2, 3], false);
    ledger.target(B, [4], false);
    ledger.fail(A, failure(3, 'error'));
    failuresOf(ledger);
    expect(ledger.gatewayDied(A)).toBe(2);
    expectCounts(ledger, { targeted: 4, unreachable: 2, error: 1, waiting: 1 });
    expect(failuresOf(ledger).map(([num, outcome, code]) => [num, outcome, code])).toEqual([
      [1, 'unreachable', 'gateway_lost'],
      [2, 'unreachable', 'gateway_lost'],
    ]);
    expect([ledger.gatewayDied(A), ledger.gatewayDied(C)]).toEqual([0, 0]);
  });

  test('gives its endpoints to the gateways that contend for them', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1, 2], false);
    ledger.target(B, [1], true);
    expect(ledger.gatewayDied(A)).toBe(1);
    expectCounts(ledger, { targeted: 2, waiting: 1, unreachable: 1 });
    expect(ledger.waitingAt(B)).toBe(1);
  });

  test('contends no more', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], false);
    ledger.target(B, [1], true);
    expect(ledger.gatewayDied(B)).toBe(0);
    ledger.fail(A, failure(1, 'disconnected'));
    expectCounts(ledger, { targeted: 1, disconnected: 1 });
  });
});

describe.each(FORMS)('a gateway whose updates were lost: %s', (form) => {
  test('leaves the endpoints that wait there timed out, and no others', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], false);
    ledger.target(B, [2], false);
    expect(ledger.updatesLost(A)).toBe(1);
    expectCounts(ledger, { targeted: 2, timed_out: 1, waiting: 1 });
    expect(failuresOf(ledger)[0]?.slice(0, 3)).toEqual([1, 'timed_out', 'report_lost']);
    expect([ledger.updatesLost(A), ledger.updatesLost(C)]).toEqual([0, 0]);
  });
});

describe.each(FORMS)('the end of a query: %s', (form) => {
  test('leaves what waits timed out, with the reason', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1, 2], true);
    ledger.answer(A, 2, ROWS);
    ledger.end('deadline', 'no answer in time');
    expectCounts(ledger, { targeted: 2, timed_out: 1, answered: 1 });
    expect(failuresOf(ledger)).toEqual([[1, 'timed_out', 'deadline', 'no answer in time']]);
    expect(ledger.waitingAt(A)).toBe(0);
  });

  test('changes nothing when all have settled', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], true);
    ledger.answer(A, 1, ROWS);
    const { version } = ledger;
    ledger.end('deadline', '');
    expect([ledger.version, failuresOf(ledger)]).toEqual([version, []]);
  });
});

describe('polling endpoints', () => {
  const polls = (dueMs: number, ...nums: number[]) => ({ nums: new Set(nums), dueMs });

  test('keep their mode when an older gateway names them late, and take that of a join', () => {
    const { ledger } = ledgerOf('group');
    ledger.target(A, [1, 2], false, polls(50, 2));
    expect(ledger.polling).toEqual({ waiting: 1, answerByMs: 50 });
    ledger.target(B, [1, 2], false, polls(90, 1));
    expect(ledger.polling).toEqual({ waiting: 1, answerByMs: 90 });
    ledger.target(B, [1, 2], true, polls(70, 1));
    expect(ledger.polling).toEqual({ waiting: 1, answerByMs: 90 });
    ledger.target(B, [1, 2], true);
    expect(ledger.polling).toBeUndefined();
  });

  test('keep when they are due, when they go on at another gateway', () => {
    const { ledger } = ledgerOf('group');
    ledger.target(A, [1], false);
    ledger.target(B, [1], true, polls(70, 1));
    expect(ledger.polling).toEqual({ waiting: 1, answerByMs: 70 });
    ledger.gatewayDied(A);
    expect([ledger.polling, ledger.waitingAt(B)]).toEqual([{ waiting: 1, answerByMs: 70 }, 1]);
    ledger.answer(B, 1, ROWS);
    expect(ledger.polling).toBeUndefined();
  });

  test('that fail are not waited for; when they are asked again they are due anew', () => {
    const { ledger } = ledgerOf('raw');
    ledger.target(A, [1], false, polls(70, 1));
    ledger.fail(A, failure(1, 'disconnected'));
    expect(ledger.polling).toBeUndefined();
    ledger.target(A, [1], true, polls(60, 1));
    expect(ledger.polling).toEqual({ waiting: 1, answerByMs: 60 });
  });
});
