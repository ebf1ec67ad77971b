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
  const out = new NumberText();
  fc.assert(
    fc.property(fc.array(number), (numbers) => {
      out.text('[');
      out.numbers(Float64Array.from([7, ...numbers, 8]), 1, numbers.length + 1);
      out.text(']');
      expect(out.finish().toString()).toBe(JSON.stringify(numbers));
    }),
  );
});
