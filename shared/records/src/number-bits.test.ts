import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { NumberBits } from './number-bits.js';
import { encodeNumberSet } from './number-set.js';

test('holds exactly the numbers that were added, small, neighbouring and in the billions', () => {
  const num = fc.oneof(
    fc.nat(5_000),
    fc.maxSafeNat().map((num) => num % 8_000_000_000),
  );
  const numbers = fc.array(num, { maxLength: 2_000, size: 'max' });
  fc.assert(
    fc.property(numbers, (nums) => {
      const bits = new NumberBits();
      for (const one of [...nums, ...nums]) bits.add(one);
      const added = new Set(nums);
      expect(bits.encode()).toEqual(encodeNumberSet(added));
      expect(bits.size).toBe(added.size);
      for (const one of added) expect(bits.has(one)).toBe(true);
      for (let n = 0; n < 5_000; n += 1) if (bits.has(n) !== added.has(n)) throw new Error(`${n} is wrong`);
    }),
    { numRuns: 20 },
  );
});

test('is read from a number set', () => {
  const bits = NumberBits.decode(encodeNumberSet([1, 31, 32, 4_095, 4_096, 70_000]));
  expect([0, 1, 31, 32, 33, 4_095, 4_096, 4_097, 70_000].filter((num) => bits.has(num))).toEqual([
    1, 31, 32, 4_095, 4_096, 70_000,
  ]);
});

test('is encoded as a number set, whatever was deleted: neighbours across words and pages, full pages, gaps', () => {
  const run = fc.tuple(fc.nat(20_000), fc.integer({ min: 1, max: 6_000 }));
  fc.assert(
    fc.property(fc.array(run, { maxLength: 6 }), fc.array(fc.nat(26_000), { maxLength: 300 }), (runs, deleted) => {
      const bits = new NumberBits();
      const left = new Set<number>();
      for (const [from, length] of runs) for (let i = 0; i < length; i += 1) left.add(from + i);
      for (const num of left) bits.add(num);
      for (const num of [...deleted, ...deleted]) {
        left.delete(num);
        bits.delete(num);
      }
      expect(bits.size).toBe(left.size);
      expect(Buffer.from(bits.encode()).equals(Buffer.from(encodeNumberSet(left)))).toBe(true);
    }),
    { numRuns: 60 },
  );
});
