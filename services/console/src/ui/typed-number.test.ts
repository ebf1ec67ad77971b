import { expect, test } from '@jest/globals';
import { isConfirmed, needsNumber } from './typed-number.js';

const reach = (count: number | undefined, isDestructive: boolean | undefined = false) => ({ count, isDestructive });

test('the number is typed from ten on, and from two on for what destroys', () => {
  expect([1, 9, 10].map((count) => needsNumber(reach(count)))).toEqual([false, false, true]);
  expect([1, 2].map((count) => needsNumber(reach(count, true)))).toEqual([false, true]);
});

test('nothing is done while nobody knows with how many, with none, or with another number than was typed', () => {
  expect(isConfirmed(reach(undefined), '')).toBe(false);
  expect(isConfirmed(reach(0), '0')).toBe(false);
  expect(isConfirmed(reach(9), '')).toBe(true);
  expect([isConfirmed(reach(1_200), ''), isConfirmed(reach(1_200), '120')]).toEqual([false, false]);
  expect([isConfirmed(reach(1_200), '1200'), isConfirmed(reach(1_200), ' 1,200 ')]).toEqual([true, true]);
});

test('nothing is done while nobody knows whether it destroys something', () => {
  const unknown = { count: 2, isDestructive: undefined };
  expect([isConfirmed(unknown, ''), isConfirmed(unknown, '2'), isConfirmed({ ...unknown, count: 1 }, '')]).toEqual([
    ...[false, false, false],
  ]);
});
