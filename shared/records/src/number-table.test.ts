import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { NumberTable } from './number-table.js';

const num = fc.oneof(
  fc.nat(600),
  fc.nat(2_000_000),
  // At the border between array and map, and far beyond 32 bits.
  fc.integer({ min: 128 * 2 ** 17 - 300, max: 128 * 2 ** 17 + 300 }),
  fc.maxSafeNat(),
);
const value = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 31 - 1 }));

test('is a map of numbers, where 0 is nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(num, value), { maxLength: 500, size: 'max' }), (changes) => {
      const table = new NumberTable();
      const expected = new Map<number, number>();
      for (const [one, to] of changes) {
        table.set(one, to);
        if (to === 0) expected.delete(one);
        else expected.set(one, to);
      }
      expect(table.size).toBe(expected.size);
      for (const [one] of changes) expect(table.get(one)).toBe(expected.get(one) ?? 0);
      const seen = new Map<number, number>();
      table.forEach((one, to) => seen.set(one, to));
      expect(seen).toEqual(expected);
    }),
  );
});

test('sees neighbours in rising order, and what is changed or removed while they are seen', () => {
  const table = new NumberTable();
  for (let one = 1; one <= 1_000; one += 1) table.set(one, 1);
  const seen: number[] = [];
  table.forEach((one) => {
    seen.push(one);
    if (one >= 1_000) return;
    table.set(one, 2);
    table.set(one + 1, one % 10 === 0 ? 0 : 3);
    table.set(500_000 + one, 1);
  });
  expect(seen.filter((one) => one <= 1_000)).toEqual(
    Array.from({ length: 1_000 }, (_, i) => i + 1).filter((one) => one % 10 !== 1 || one === 1),
  );
});

test('of a million neighbours takes four bytes each', () => {
  const before = process.memoryUsage().arrayBuffers;
  const table = new NumberTable();
  for (let one = 1; one <= 1_000_000; one += 1) table.set(one, one);
  expect(table.size).toBe(1_000_000);
  // An array that has grown is up to half as large again; the one before it may not be collected yet.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(25_000_000);
});
