import { expect, test } from '@jest/globals';
import { SequenceWaiters } from './sequence-waiters.js';

/** What has settled of the promises so far, in the order in which it did. */
function noting(waiters: SequenceWaiters) {
  const settled: [number, boolean][] = [];
  const wait = (seq: number): void => void waiters.reached(seq).then((reached) => settled.push([seq, reached]));
  const seen = async (): Promise<[number, boolean][]> => {
    await new Promise((resolve) => setImmediate(resolve));
    return settled;
  };
  return { wait, seen };
}

test('a promise resolves when its sequence has passed, in the order of the sequences, whatever the order of asking', async () => {
  const waiters = new SequenceWaiters();
  const { wait, seen } = noting(waiters);
  for (const seq of [5, 3, 4, 3, 9]) wait(seq);
  waiters.pass(2);
  expect(await seen()).toEqual([]);
  waiters.pass(4);
  expect(await seen()).toEqual([
    [3, true],
    [3, true],
    [4, true],
  ]);
  waiters.pass(9);
  expect((await seen()).slice(3)).toEqual([
    [5, true],
    [9, true],
  ]);
});

test('what has passed is reached at once, also after an older sequence came again', async () => {
  const waiters = new SequenceWaiters();
  waiters.pass(7);
  waiters.pass(3);
  expect(await Promise.all([waiters.reached(7), waiters.reached(1)])).toEqual([true, true]);
  const { wait, seen } = noting(waiters);
  wait(8);
  expect(await seen()).toEqual([]);
});

test('after a reset nothing was reached, and later sequences are waited for', async () => {
  const waiters = new SequenceWaiters();
  const { wait, seen } = noting(waiters);
  waiters.pass(5);
  wait(6);
  waiters.reset();
  expect(await seen()).toEqual([[6, false]]);
  wait(5);
  expect(await seen()).toHaveLength(1);
  waiters.pass(5);
  expect((await seen())[1]).toEqual([5, true]);
});

test('after the end nothing more is reached but what has passed', async () => {
  const waiters = new SequenceWaiters();
  const { wait, seen } = noting(waiters);
  waiters.pass(2);
  wait(4);
  waiters.end();
  expect(await seen()).toEqual([[4, false]]);
  expect(await Promise.all([waiters.reached(2), waiters.reached(3)])).toEqual([true, false]);
});
