import { describe, expect, it } from '@jest/globals';
import { directoryOf, likeMatcher } from './path_patterns.js';

describe('path patterns', () => {
  it.each([
    ['%', 'anything', true],
    ['%', '', true],
    ['a%c', 'abbc', true],
    ['a%c', 'abbd', false],
    ['A_c', 'abC', true],
    ['a_c', 'ac', false],
    ['%.conf', 'x.conf.conf', true],
    ['%.conf', 'x.conf~', false],
    ['a%b%c', 'a-b-b-c', true],
    ['_', '😀', true],
    ['', 'x', false],
  ])('%s against %s', (pattern, name, expected) => {
    expect(likeMatcher(pattern)(name)).toBe(expected);
  });

  it('is fast on pathological patterns', () => {
    const before = process.cpuUsage();
    expect(likeMatcher('%a'.repeat(100) + 'b')('a'.repeat(255))).toBe(false);
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(500);
  });

  it('finds the folder of a path', () => {
    expect(['/a/b', '/a', '/', '/a/b/'].map(directoryOf)).toEqual(['/a', '/', '/', '/a']);
  });
});
