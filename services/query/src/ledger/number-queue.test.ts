import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { NumberQueue } from './number-queue.js';

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ t: fc.constant('push' as const), num: fc.nat(300) }) },
  { weight: 2, arbitrary: fc.record({ t: fc.constant('remove' as const), num: fc.nat(300) }) },
  { weight: 2, arbitrary: fc.record({ t: fc.constant('shift' as const), num: fc.constant(0) }) },
);

test('gives what is wanted, each once, whatever was removed, came again or did not fit', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 2_000, size: 'max' }), (steps) => {
      const wanted = new Set<number>();
      const queue = new NumberQueue((num) => wanted.has(num));
      for (const { t, num } of steps) {
        if (t === 'push' && !wanted.has(num)) {
          wanted.add(num);
          queue.push(num, wanted.size);
        } else if (t === 'remove') wanted.delete(num);
        else if (t === 'shift') {
          const next = queue.shift();
          expect(next === undefined ? wanted.size === 0 : wanted.delete(next)).toBe(true);
        }
      }
      const rest: number[] = [];
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        rest.push(next);
        wanted.delete(next);
      }
      expect(new Set(rest).size).toBe(rest.length);
      expect(wanted.size).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('keeps the order in which they came, through a larger array too', () => {
  const queue = new NumberQueue(() => true);
  for (let num = 1_000; num > 0; num -= 1) queue.push(num, 1_001 - num);
  expect([queue.shift(), queue.shift(), queue.shift()]).toEqual([1_000, 999, 998]);
});

test('does not grow by endpoints that fail and recover again and again', () => {
  let isWanted = false;
  const queue = new NumberQueue(() => isWanted);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 2_000_000; i += 1) queue.push(7, 1);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8_000_000);
  isWanted = true;
  expect(queue.shift()).toBe(7);
});
