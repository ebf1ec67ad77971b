import { describe, expect, it } from '@jest/globals';
import { BUILT_IN_LABELS, labelFaults, labelKeyFault, labelsSchema, labelValueFault } from './labels.js';
import { LIMITS } from './limits.js';

describe('a label key', () => {
  it.each([
    'a',
    'A',
    'a-b_c.d',
    'x9',
    `a${'b'.repeat(62)}`,
    'example.com/team',
    `${'a'.repeat(100)}/b`,
    'a/b',
    '9/9',
    'hosts',
    'Id',
  ])('may be "%s"', (key) => {
    expect(labelKeyFault(key)).toBeUndefined();
  });

  it.each([
    '',
    '-a',
    'a-',
    '.a',
    'a b',
    'ä',
    '/a',
    'a/',
    'a/b/c',
    'Example.com/a',
    '-x.com/a',
    `a${'b'.repeat(63)}`,
    `${'a'.repeat(254)}/b`,
    'a\n',
    'a=b',
    '__proto__',
  ])('cannot be "%s"', (key) => {
    expect(labelKeyFault(key)).toContain('label key');
  });

  it.each(BUILT_IN_LABELS)('cannot be the built-in "%s"', (key) => {
    expect(labelKeyFault(key)).toContain('built in');
  });
});

describe('a label value', () => {
  it.each(['', 'a', 'prod', '1.2.3', 'a-b_c.D', 'x'.repeat(63)])('may be "%s"', (value) => {
    expect(labelValueFault(value)).toBeUndefined();
  });

  it.each(['-', 'a-', '.a', 'a b', 'a,b', 'é', 'x'.repeat(64), 'a\n', 'a/b'])('cannot be "%s"', (value) => {
    expect(labelValueFault(value)).toContain('label value');
  });

  it('that is refused is not repeated at full length', () => {
    expect(labelValueFault('!'.repeat(10_000))!.length).toBeLessThan(200);
    expect(labelKeyFault('!'.repeat(10_000))!.length).toBeLessThan(200);
  });
});

describe('a set of labels', () => {
  it('names every fault at once', () => {
    expect(labelFaults({ ok: 'yes', 'not ok': 'x', os: 'linux', a: 'b c' })).toHaveLength(3);
    expect(labelFaults({})).toEqual([]);
  });

  it('is bounded', () => {
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, '']));
    expect(labelFaults(many(LIMITS.labels))).toEqual([]);
    expect(labelFaults(many(LIMITS.labels + 1))).toHaveLength(1);
  });

  it('in a document is an object of texts, with each fault by itself', () => {
    expect(labelsSchema.parse({ env: 'prod' })).toEqual({ env: 'prod' });
    for (const value of [null, 7, 'x', { a: 1 }]) expect(labelsSchema.safeParse(value).success).toBe(false);
    const faulty = labelsSchema.safeParse({ 'not ok': 'x', os: 'linux' });
    expect(faulty.error?.issues.map(({ message }) => message)).toEqual(labelFaults({ 'not ok': 'x', os: 'linux' }));
    const polluting = labelsSchema.safeParse(JSON.parse('{"__proto__":"x"}'));
    expect(polluting.error?.issues[0]?.message).toContain('__proto__');
  });
});
