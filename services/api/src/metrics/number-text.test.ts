import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { NumberText } from './number-text.js';

test('numbers are written as JSON has them', () => {
  const number = fc.oneof(
    fc.integer({ min: -20, max: 20 }),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.constant(Number.NaN),
  );
  fc.assert(
    fc.property(fc.array(number), (numbers) => {
      const out = new NumberText('[');
      for (const [i, one] of numbers.entries()) {
        if (i > 0) out.text(',');
        out.number(one);
      }
      out.text(']');
      expect(out.finish()).toBe(JSON.stringify(numbers));
    }),
  );
});
