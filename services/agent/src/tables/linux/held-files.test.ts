import { expect, test } from '@jest/globals';
import { answersOf } from './held-files.js';

test('one that costs all others the answer is found, and has none', () => {
  const items = Array.from({ length: 200 }, (_, index) => index);
  let asked = 0;
  const answers = answersOf(items, (some) => {
    asked += 1;
    return some.includes(77) || some.includes(199) ? undefined : some.map((item) => item * 2);
  });
  expect(answers).toEqual(items.map((item) => (item === 77 || item === 199 ? undefined : item * 2)));
  expect(asked).toBeLessThan(40);
  expect(answersOf([], () => undefined)).toEqual([]);
});
