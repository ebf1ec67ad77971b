import { expect, test } from '@jest/globals';
import { AppError } from './errors.js';
import { boundedSelector } from './selector.js';
import { selectorSchema } from './selector-schema.js';
import { LIMITS } from './limits.js';

test('a selector in a document becomes its text and its requirements', () => {
  expect(selectorSchema.parse('os=linux')).toEqual({
    text: 'os=linux',
    selector: [{ kind: 'in', key: 'os', values: ['linux'] }],
  });
});

test('a faulty one is refused with the place, counted from 1, and what is no text is refused', () => {
  const parsed = selectorSchema.safeParse('a=b c');
  expect(parsed.error?.issues).toMatchObject([
    { code: 'custom', message: expect.stringContaining('(at character 5)') },
  ]);
  expect(selectorSchema.safeParse(7).success).toBe(false);
});

test('a selector is joined with the one that bounds its operator', () => {
  expect(boundedSelector('os=linux', 'env=prod')).toEqual({
    text: 'os=linux,env=prod',
    selector: [
      { kind: 'in', key: 'os', values: ['linux'] },
      { kind: 'in', key: 'env', values: ['prod'] },
    ],
  });
  expect(boundedSelector('os=linux', '').text).toBe('os=linux');
  expect(boundedSelector('', 'env=prod').selector).toHaveLength(1);
  expect(boundedSelector('', '')).toEqual({ text: '', selector: [] });
});

const half = `a in (${'b'.repeat(LIMITS.selectorBytes / 2)})`;
test.each([
  ['os=', 'ok', undefined],
  ['os=a b', '', ['selector', 5, /^expected/]],
  ['', 'env=a b', ['bound', 6, /^the selector that bounds this operator: expected/]],
  [half, half, ['selector', LIMITS.selectorBytes, /^together with the one that bounds this operator: .*too long/]],
] as const)('%.20s bounded by %.20s: which of them is faulty, and where', (selector, bound, fault) => {
  let thrown: unknown;
  try {
    boundedSelector(selector, bound);
  } catch (error) {
    thrown = error;
  }
  if (fault === undefined) return expect(thrown).toBeUndefined();
  const [field, offset, message] = fault;
  if (!AppError.is(thrown)) throw thrown;
  expect(thrown).toMatchObject({ code: 'bad_selector', details: { field, offset } });
  expect(thrown.message).toMatch(message);
});
