import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { UpdateQueue } from './update-queue.js';

const message = (num: number, length = 100): Uint8Array => new Uint8Array(length).fill(num);

test('what fits into a turn is taken at once', () => {
  const taken: number[] = [];
  const queue = new UpdateQueue(([num]) => taken.push(num ?? -1), { turnBytes: 1_000, maxWaitingBytes: 10_000 });
  for (let num = 0; num < 10; num += 1) queue.push(message(num));
  expect(taken).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  queue.stop();
});

test('the rest is taken in later turns, in its order, and others have their turns in between', async () => {
  const taken: number[] = [];
  const queue = new UpdateQueue(([num]) => taken.push(num ?? -1), { turnBytes: 1_000, maxWaitingBytes: 10_000 });
  for (let num = 0; num < 45; num += 1) queue.push(message(num));
  const seen = [taken.length];
  while (taken.length < 45) {
    await nextTurn();
    seen.push(taken.length);
  }
  expect(seen).toEqual([10, 20, 30, 40, 45]);
  expect(taken).toEqual(Array.from({ length: 45 }, (_, num) => num));
});

test('no more waits than the bound', () => {
  let taken = 0;
  const queue = new UpdateQueue(() => (taken += 1), { turnBytes: 1_000, maxWaitingBytes: 2_000 });
  for (let num = 0; num < 100; num += 1) queue.push(message(num));
  expect(taken).toBe(80);
  queue.stop();
});

test('who waits for what has arrived is called behind it, at once where nothing waits, and when it stops', async () => {
  const seen: (number | string)[] = [];
  const queue = new UpdateQueue(([num]) => seen.push(num ?? -1), { turnBytes: 200, maxWaitingBytes: 10_000 });
  queue.afterArrived(() => seen.push('at once'));
  for (let num = 0; num < 4; num += 1) queue.push(message(num));
  queue.afterArrived(() => {
    seen.push('behind');
    queue.push(message(8));
  });
  queue.push(message(4));
  expect(seen).toEqual(['at once', 0, 1]);
  while (!seen.includes(8)) await nextTurn();
  expect(seen).toEqual(['at once', 0, 1, 2, 3, 'behind', 4, 8]);
  for (let num = 0; num < 4; num += 1) queue.push(message(num));
  queue.afterArrived(() => seen.push('stopped'));
  queue.stop();
  expect(seen.at(-1)).toBe('stopped');
  await nextTurn();
  expect(seen.at(-1)).toBe('stopped');
});

test('every message is taken once and in order, whatever comes meanwhile, from within too', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer({ min: 1, max: 3_000 }), { maxLength: 30 }), { maxLength: 8 }),
      async (turns) => {
        const taken: Uint8Array[] = [];
        const pushed: Uint8Array[] = [];
        const push = (length: number): void => {
          const data = new Uint8Array(length);
          pushed.push(data);
          queue.push(data);
        };
        const queue = new UpdateQueue(
          (data) => {
            taken.push(data);
            if (data.length % 7 === 0 && data.length > 7) push(7);
          },
          { turnBytes: 2_000, maxWaitingBytes: 9_000 },
        );
        for (const lengths of turns) {
          for (const length of lengths) push(length);
          await nextTurn();
        }
        while (taken.length < pushed.length) await nextTurn();
        expect(taken.every((data, i) => data === pushed[i])).toBe(true);
        queue.stop();
      },
    ),
    { numRuns: 60 },
  );
});
