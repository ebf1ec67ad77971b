import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SlotIndex } from './slot-index.js';

test('knows the slot of each number, whatever was added and removed before', () => {
  // Few numbers, some of which end at the same place, and more than there is room for at first.
  const number = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 2_000 }), fc.maxSafeInteger());
  const mostly = fc.nat(3).map((one) => one > 0);
  fc.assert(
    fc.property(fc.array(fc.tuple(mostly, number), { minLength: 900, maxLength: 1_000 }), (steps) => {
      const nums: number[] = [];
      const known = new Map<number, number>();
      const index = new SlotIndex((slot) => nums[slot] ?? 0);
      for (const [isAdded, num] of steps) {
        const slot = known.get(num);
        if (isAdded && slot === undefined) {
          known.set(num, nums.length);
          nums.push(num);
          index.add(nums.length - 1);
        } else if (!isAdded && slot !== undefined) {
          index.remove(slot);
          known.delete(num);
        }
      }
      expect(index.size).toBe(known.size);
      expect(steps.filter(([, num]) => index.slotOf(num) !== known.get(num))).toEqual([]);
    }),
    { numRuns: 20 },
  );
});
