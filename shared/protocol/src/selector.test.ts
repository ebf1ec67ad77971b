import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LIMITS } from './limits.js';
import { joinSelectors, parseSelector, selectorMatches, type Requirement, type Selector } from './selector.js';

const parse = (text: string): Selector => {
  const parsed = parseSelector(text);
  if (!parsed.ok) throw new Error(`${parsed.message} at ${parsed.offset}`);
  return parsed.selector;
};
const fault = (text: string): { message: string; offset: number } => {
  const parsed = parseSelector(text);
  if (parsed.ok) throw new Error(`"${text}" was accepted`);
  return { message: parsed.message, offset: parsed.offset };
};
const matches = (text: string, labels: Readonly<Record<string, string>>): boolean =>
  selectorMatches(parse(text), (key) => (Object.hasOwn(labels, key) ? labels[key] : undefined));

describe('a selector', () => {
  it.each<[string, Requirement[]]>([
    ['', []],
    ['   ', []],
    ['a', [{ kind: 'exists', key: 'a' }]],
    ['!a', [{ kind: 'absent', key: 'a' }]],
    ['! a', [{ kind: 'absent', key: 'a' }]],
    ['a=b', [{ kind: 'in', key: 'a', values: ['b'] }]],
    ['a==b', [{ kind: 'in', key: 'a', values: ['b'] }]],
    ['a = b', [{ kind: 'in', key: 'a', values: ['b'] }]],
    ['a!=b', [{ kind: 'notin', key: 'a', values: ['b'] }]],
    ['a=', [{ kind: 'in', key: 'a', values: [''] }]],
    ['a in (b)', [{ kind: 'in', key: 'a', values: ['b'] }]],
    ['a in ( b , c )', [{ kind: 'in', key: 'a', values: ['b', 'c'] }]],
    ['a in (b,)', [{ kind: 'in', key: 'a', values: ['b', ''] }]],
    ['a notin (b,c)', [{ kind: 'notin', key: 'a', values: ['b', 'c'] }]],
    ['a>4', [{ kind: 'gt', key: 'a', bound: 4 }]],
    ['a < 10', [{ kind: 'lt', key: 'a', bound: 10 }]],
    ['example.com/team=blue', [{ kind: 'in', key: 'example.com/team', values: ['blue'] }]],
    ['a=1.2_3-4', [{ kind: 'in', key: 'a', values: ['1.2_3-4'] }]],
    [
      'os=linux,env in (prod,staging),!quarantined,cores>4',
      [
        { kind: 'in', key: 'os', values: ['linux'] },
        { kind: 'in', key: 'env', values: ['prod', 'staging'] },
        { kind: 'absent', key: 'quarantined' },
        { kind: 'gt', key: 'cores', bound: 4 },
      ],
    ],
    // Words that are operators elsewhere are labels where a label belongs.
    ['in', [{ kind: 'exists', key: 'in' }]],
    ['in in (in)', [{ kind: 'in', key: 'in', values: ['in'] }]],
    ['notin=in', [{ kind: 'in', key: 'notin', values: ['in'] }]],
  ])('"%s" is understood', (text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  it.each([
    ['a=b,', 4],
    [',a', 0],
    ['a,,b', 2],
    ['a b', 2],
    ['a=b c', 4],
    ['=b', 0],
    ['!', 1],
    ['a in b', 5],
    ['a in (b', 7],
    ['a in', 4],
    ['a>b', 2],
    ['a>', 2],
    ['a>-1', 2],
    ['a>1234567890123456', 2],
    ['a=b;c', 3],
    ['a=b  ;', 5],
    ['a="b"', 2],
    ['ä=b', 0],
    ['a=b)', 3],
    ['a=\u{1f600}', 2],
    ['!a=b', 2],
    ['a*=b', 1],
    ['*', 0],
    ['!a*', 2],
    ['a>4*', 3],
  ])('"%s" is refused at character %d', (text, offset) => {
    expect(fault(text).offset).toBe(offset);
    expect(fault(text).message).not.toBe('');
  });

  it.each([
    ['a=\u{1f600}', 'unexpected "\u{1f600}"'],
    ['=b', 'expected a label name'],
    ['!', 'expected a label name'],
    ['a>', 'expected a whole number'],
    ['a>b', '"b" is not a whole number'],
    ['a in (b c)', 'expected ")" before "c"'],
    ['a in (b', 'expected ")"'],
    ['a,', 'a requirement must follow ","'],
    ['a b', 'expected an operator (=, !=, in, notin, >, <) before "b"'],
  ])('"%s" is refused with what belongs there: %s', (text, message) => {
    expect(fault(text).message).toBe(message);
  });

  it('that is too long is refused without being read', () => {
    expect(fault('a'.repeat(LIMITS.selectorBytes + 1)).offset).toBe(LIMITS.selectorBytes);
    expect(parse(`a=${'b'.repeat(LIMITS.selectorBytes - 2)}`)).toHaveLength(1);
  });

  it('never throws, and its fault lies within the text', () => {
    const piece = fc.constantFrom(
      'a',
      'b.c/d',
      '=',
      '!=',
      '==',
      '!',
      ',',
      '(',
      ')',
      '>',
      '<',
      'in',
      'notin',
      ' ',
      '5',
      '€',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(text, (given) => {
        const parsed = parseSelector(given);
        if (!parsed.ok) {
          expect(parsed.offset).toBeGreaterThanOrEqual(0);
          expect(parsed.offset).toBeLessThanOrEqual(given.length);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('with many stars takes no noticeable time', () => {
    const selector = parse(`host=${'*a'.repeat(2_000)}*b`);
    const before = process.cpuUsage();
    expect(selectorMatches(selector, () => 'a'.repeat(253))).toBe(false);
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(1_000);
  });

  it('finds who is not connected by mode', () => {
    const offline = (text: string): boolean =>
      selectorMatches(parse(text), (key) => (key === 'mode' ? 'offline' : 'x'));
    expect(['mode=offline', 'mode!=live', '!mode', 'mode in (offline,poll)'].map(offline)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['mode', 'mode=live', 'mode!=offline'].map(offline)).toEqual([false, false, false]);
  });

  it('of the greatest length takes no noticeable time', () => {
    const before = process.cpuUsage();
    for (const unit of ['a,', 'a in (', '! ', '(', 'a=b ', '   ']) parseSelector(unit.repeat(4_096 / unit.length));
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(1_000);
  });
});

describe('a selector matches', () => {
  const labels = { os: 'linux', env: 'prod', cores: '8', many: '128', negative: '-5', version: '1.10', empty: '' };

  it.each([
    ['', true],
    ['os=linux', true],
    ['os=windows', false],
    ['os!=windows', true],
    ['os!=linux', false],
    ['missing!=x', true],
    ['missing notin (x,y)', true],
    ['missing=x', false],
    ['missing in (x)', false],
    ['env in (prod,staging)', true],
    ['env notin (prod)', false],
    ['env', true],
    ['missing', false],
    ['!missing', true],
    ['!env', false],
    ['empty', true],
    ['empty=', true],
    ['missing=', false],
    ['cores>4', true],
    ['cores>8', false],
    ['cores<9', true],
    ['many>64', true],
    ['many<64', false],
    ['cores<8', false],
    ['negative<0', true],
    ['version>1', false],
    ['missing>0', false],
    ['missing<9', false],
    ['os=linux,env=prod', true],
    ['os=linux,env=test', false],
    ['os=lin*', true],
    ['os=*', true],
    ['os=*n*x', true],
    ['os=*in', false],
    ['os=x*', false],
    ['os in (win*,l*)', true],
    ['os!=win*', true],
    ['os!=l*', false],
    ['missing=*', false],
    ['empty=*', true],
  ])('"%s": %s', (text, expected) => {
    expect(matches(text, labels)).toBe(expected);
  });

  it('exactly the endpoints that its negation does not', () => {
    const value = fc.constantFrom('x', 'y', 'z', '');
    fc.assert(
      fc.property(fc.option(value), fc.array(value, { minLength: 1, maxLength: 3 }), (has, values) => {
        const own = has === null ? {} : { a: has };
        const list = values.join(',');
        expect(matches(`a in (${list})`, own)).toBe(!matches(`a notin (${list})`, own));
        expect(matches('a', own)).toBe(!matches('!a', own));
      }),
    );
  });
});

describe('joined selectors', () => {
  it('select what both select', () => {
    expect(joinSelectors('a=b', undefined, ' ', 'c')).toBe('a=b,c');
    expect(joinSelectors()).toBe('');
    expect(joinSelectors(undefined, '')).toBe('');
    expect(parse(joinSelectors('os=linux', 'env in (a,b)'))).toHaveLength(2);
  });
});
