import { expect, test } from '@jest/globals';
import { isConfirmed, needsNumber } from './typed-number.js';

test('the number is typed from ten on, and from two on for what destroys', () => {
  expect([1, 9, 10].map((count) => needsNumber({ count }))).toEqual([false, false, true]);
  expect([1, 2].map((count) => needsNumber({ count, isDestructive: true }))).toEqual([false, true]);
});

test('nothing is done while nobody knows with how many, with none, or with another number than was typed', () => {
  expect(isConfirmed({ count: undefined }, '')).toBe(false);
  expect(isConfirmed({ count: 0 }, '0')).toBe(false);
  expect(isConfirmed({ count: 9 }, '')).toBe(true);
  expect([isConfirmed({ count: 1_200 }, ''), isConfirmed({ count: 1_200 }, '120')]).toEqual([false, false]);
  expect([isConfirmed({ count: 1_200 }, '1200'), isConfirmed({ count: 1_200 }, ' 1,200 ')]).toEqual([true, true]);
});
