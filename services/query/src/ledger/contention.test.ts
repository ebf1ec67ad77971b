import { describe, expect, test } from '@jest/globals';
import type { ResultForm } from '@muster/records';
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

const NO_ROWS = new Uint8Array(0);

describe('two gateways contend for an endpoint', () => {
  /** Asked by A from the start, and by B when it connected there. */
  function contested(form: ResultForm = 'group', first = A) {
    const parts = ledgerOf(form);
    for (const gateway of first === A ? [A, B] : [B, A]) parts.ledger.target(gateway, [1], gateway === B);
    return parts;
  }

  test.each([A, B])('and the one that may have merged its rows settles it, whichever spoke first: %s', (first) => {
    const { ledger, released } = contested('group', first);
    expect([ledger.waitingAt(A), ledger.waitingAt(B)]).toEqual([1, 0]);
    expect(ledger.answer(B, 1, ROWS)).toBe('held');
    expect(ledger.answer(B, 1, ROWS)).toBe('refused');
    expectCounts(ledger, { targeted: 1, waiting: 1 });
    expect(ledger.answeredInGroups(A, [1])).toBe(0);
    expectCounts(ledger, { targeted: 1, answered: 1 });
    ledger.end('deadline', '');
    expect(released).toEqual([]);
  });

  test.each(RECOVERABLE)('and the held answer counts when the endpoint is %s at the first', (outcome) => {
    const { ledger, released } = contested();
    ledger.answer(B, 1, ROWS);
    expect(ledger.fail(A, failure(1, outcome))).toBe(true);
    expectCounts(ledger, { targeted: 1, answered: 1 });
    expect([released, failuresOf(ledger)]).toEqual([[[1, ROWS]], []]);
  });

  test('and an answer without rows counts at once: nothing in it could count twice', () => {
    const { ledger, released } = contested();
    ledger.empty(B, [1]);
    expectCounts(ledger, { targeted: 1, empty: 1 });
    expect(ledger.fail(A, failure(1, 'disconnected'))).toBe(false);
    expect(released).toEqual([]);
  });

  test.each(REPORTED)('and a %s of the endpoint at the first drops what the second has sent', (outcome) => {
    const { ledger, released } = contested();
    ledger.answer(B, 1, ROWS);
    expect(ledger.fail(A, failure(1, outcome))).toBe(true);
    ledger.end('deadline', '');
    expectCounts(ledger, { targeted: 1, [outcome]: 1 });
    expect(released).toEqual([]);
  });

  test.each(REPORTED)('and a %s at the second is held until the first gives the endpoint up', (outcome) => {
    const { ledger } = contested();
    expect(ledger.fail(B, failure(1, outcome, 'held'))).toBe(true);
    expect(ledger.fail(B, failure(1, outcome))).toBe(false);
    expect(ledger.answer(B, 1, ROWS)).toBe('refused');
    expectCounts(ledger, { targeted: 1, waiting: 1 });
    ledger.fail(A, failure(1, 'disconnected'));
    expectCounts(ledger, { targeted: 1, [outcome]: 1 });
    expect(failuresOf(ledger)).toEqual([failure(1, outcome, 'held')]);
  });

  test.each(RECOVERABLE)('and when it is %s at the second, the first is alone with it', (outcome) => {
    const { ledger } = contested();
    expect(ledger.fail(B, failure(1, outcome))).toBe(true);
    expectCounts(ledger, { targeted: 1, waiting: 1 });
    expect(ledger.fail(A, failure(1, 'disconnected'))).toBe(true);
    expectCounts(ledger, { targeted: 1, disconnected: 1 });
  });

  test('and when the first gives it up, it waits at the second, which may answer', () => {
    const { ledger, released } = contested();
    expect(ledger.fail(A, failure(1, 'disconnected'))).toBe(true);
    expectCounts(ledger, { targeted: 1, waiting: 1 });
    expect([ledger.waitingAt(A), ledger.waitingAt(B), failuresOf(ledger)]).toEqual([0, 1, []]);
    expect(ledger.answer(B, 1, ROWS)).toBe('accepted');
    expect(released).toEqual([]);
  });

  test('and a third one is not heard once the second has answered', () => {
    const { ledger, released } = contested();
    ledger.answer(B, 1, ROWS);
    ledger.target(C, [1], true);
    expect(ledger.answer(C, 1, Uint8Array.of(9))).toBe('refused');
    expect(ledger.fail(C, failure(1, 'error'))).toBe(false);
    ledger.fail(A, failure(1, 'disconnected'));
    expect(released).toEqual([[1, ROWS]]);
  });

  test('and a gateway that has nothing to do with it settles nothing', () => {
    const { ledger } = contested();
    expect([ledger.fail(C, failure(1, 'disconnected')), ledger.fail(C, failure(1, 'error'))]).toEqual([false, false]);
    ledger.fail(A, failure(1, 'disconnected'));
    expectCounts(ledger, { targeted: 1, waiting: 1 });
    expect(ledger.waitingAt(B)).toBe(1);
  });

  test('and what the second has sent stays when it asks again, over another channel', () => {
    const { ledger, released } = contested();
    ledger.answer(B, 1, ROWS);
    ledger.target(B, [1], true, { nums: new Set([1]), dueMs: 50 });
    ledger.fail(A, failure(1, 'disconnected'));
    expectCounts(ledger, { targeted: 1, answered: 1 });
    expect(released).toEqual([[1, ROWS]]);
  });

  test('and a held answer that is not needed any more makes room for others', () => {
    const { ledger } = ledgerOf('group');
    const large = new Uint8Array(40 * 1024 * 1024);
    for (const gateway of [A, B]) ledger.target(gateway, [1, 2], gateway === B);
    expect([ledger.answer(B, 1, large), ledger.answer(B, 2, large)]).toEqual(['held', 'refused']);
    ledger.answeredInGroups(A, [1]);
    expect(ledger.answer(B, 2, large)).toBe('held');
  });

  test('and in raw form, where every answer names its endpoint, the first answer counts', () => {
    const { ledger } = contested('raw');
    expect(ledger.answer(B, 1, ROWS)).toBe('accepted');
    expect(ledger.answer(A, 1, ROWS)).toBe('refused');
    expectCounts(ledger, { targeted: 1, answered: 1 });
  });

  test('and in group form too when it joined at both: neither has merged its rows', () => {
    const { ledger } = ledgerOf('group');
    for (const gateway of [A, B]) ledger.target(gateway, [1], true);
    expect(ledger.waitingAt(A)).toBe(1);
    expect(ledger.answer(B, 1, ROWS)).toBe('accepted');
    expect(ledger.answer(A, 1, ROWS)).toBe('refused');
  });

  test('and both from the start: the first keeps it, the other one’s answer is held', () => {
    const { ledger } = ledgerOf('group');
    for (const gateway of [A, B]) ledger.target(gateway, [1], false);
    expect([ledger.waitingAt(A), ledger.waitingAt(B)]).toEqual([1, 0]);
    expect(ledger.answer(B, 1, ROWS)).toBe('held');
  });
});

describe('before every gateway has said whom it asks, in group form', () => {
  test('an answer with rows is held, and one without counts', () => {
    const { ledger, released } = ledgerOf('group', false);
    ledger.target(A, [1, 2], true);
    expect(ledger.answer(A, 1, ROWS)).toBe('held');
    expect(ledger.answer(A, 1, ROWS)).toBe('refused');
    expect(ledger.answer(A, 2, NO_ROWS)).toBe('accepted');
    expectCounts(ledger, { targeted: 2, waiting: 1, empty: 1 });
    ledger.seal();
    expectCounts(ledger, { targeted: 2, answered: 1, empty: 1 });
    ledger.seal();
    expect(released).toEqual([[1, ROWS]]);
  });

  test('the held answer of an endpoint that another gateway has merged is dropped', () => {
    const { ledger, released } = ledgerOf('group', false);
    ledger.target(B, [1], true);
    ledger.answer(B, 1, ROWS);
    ledger.target(A, [1], false);
    ledger.answeredInGroups(A, [1]);
    ledger.seal();
    expectCounts(ledger, { targeted: 1, answered: 1 });
    expect(released).toEqual([]);
  });

  test('it is held on when another gateway may merge the endpoint', () => {
    const { ledger, released } = ledgerOf('group', false);
    ledger.target(B, [1], true);
    ledger.answer(B, 1, ROWS);
    ledger.target(A, [1], false);
    ledger.seal();
    expectCounts(ledger, { targeted: 1, waiting: 1 });
    expect(released).toEqual([]);
    ledger.gatewayDied(A);
    expectCounts(ledger, { targeted: 1, answered: 1 });
    expect(released).toEqual([[1, ROWS]]);
  });

  test('the end of the query decides it', () => {
    const { ledger, released } = ledgerOf('group', false);
    ledger.target(B, [1], true);
    ledger.answer(B, 1, ROWS);
    ledger.end('deadline', '');
    expectCounts(ledger, { targeted: 1, answered: 1 });
    expect(released).toEqual([[1, ROWS]]);
  });
});

test('the end of a query counts held answers, and times out an endpoint that waits at two gateways', () => {
  const { ledger, released } = ledgerOf('group');
  ledger.target(A, [1, 2], false);
  ledger.target(B, [1, 2], true);
  ledger.answer(B, 1, ROWS);
  ledger.end('deadline', '');
  expectCounts(ledger, { targeted: 2, answered: 1, timed_out: 1 });
  expect(released).toEqual([[1, ROWS]]);
});

describe.each(['raw', 'group'] as const)('an endpoint between two gateways: %s', (form) => {
  const moved = () => {
    const parts = ledgerOf(form);
    parts.ledger.target(A, [1], false);
    expect(parts.ledger.fail(A, failure(1, 'disconnected', 'moved'))).toBe(true);
    return parts;
  };

  test('may answer or fail at the next one, although the update that targeted it there was lost', () => {
    const { ledger } = moved();
    expect(ledger.answer(B, 1, ROWS)).toBe('accepted');
    const failing = moved().ledger;
    expect(failing.fail(B, failure(1, 'error'))).toBe(true);
    expectCounts(failing, { targeted: 1, error: 1 });
  });

  test('stays timed out when the query ended meanwhile', () => {
    const { ledger } = moved();
    ledger.expireMoves(0);
    ledger.end('deadline', '');
    ledger.expireMoves(60_000);
    expectCounts(ledger, { targeted: 1, timed_out: 1 });
  });

  test('is not one whose agent only says so', () => {
    const { ledger } = ledgerOf(form);
    ledger.target(A, [1], false);
    ledger.fail(A, failure(1, 'error', 'moved'));
    expectCounts(ledger, { targeted: 1, error: 1 });
  });
});
