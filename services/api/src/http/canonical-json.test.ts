import { expect, test } from '@jest/globals';
import { canonicalJson } from './canonical-json.js';

test('the order of members makes no difference, at any depth', () => {
  const one = JSON.parse('{"b":1,"a":{"y":[{"q":1,"p":2}],"x":null},"__proto__":{"d":1,"c":2},"2":0,"10":0}');
  const other = JSON.parse('{"10":0,"2":0,"__proto__":{"c":2,"d":1},"a":{"x":null,"y":[{"p":2,"q":1}]},"b":1}');
  expect(canonicalJson(one)).toBe(canonicalJson(other));
});

test.each([
  ['another order in a list', { a: [1, 2] }, { a: [2, 1] }],
  ['a member more', { a: 1 }, { a: 1, b: null }],
  ['another type', { a: 1 }, { a: '1' }],
  ['a list for an object', { 0: 1 }, [1]],
  ['a __proto__ member', JSON.parse('{"__proto__":{"a":1}}'), {}],
])('%s does', (_what, one, other) => {
  expect(canonicalJson(one)).not.toBe(canonicalJson(other));
});
