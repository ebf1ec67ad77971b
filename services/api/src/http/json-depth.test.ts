import { expect, test } from '@jest/globals';
import { isDeeperThan } from './json-depth.js';

const nested = (depth: number): string => `${'{"a":['.repeat(depth / 2)}1${']}'.repeat(depth / 2)}`;

test.each([
  ['at the bound', nested(32), false],
  ['over it', nested(34), true],
  ['brackets in text, and escaped quotes', JSON.stringify({ a: '[{"\\['.repeat(100) }), false],
  ['wide and flat', JSON.stringify(Array(1_000).fill({ a: [] })), false],
  ['a megabyte of brackets', '['.repeat(1024 * 1024), true],
  ['nothing', '', false],
])('%s', (_what, text, expected) => {
  expect(isDeeperThan(Buffer.from(text), 32)).toBe(expected);
});
