import { expect, test } from '@jest/globals';
import { readPack } from '../format/read-pack.js';
import { readYaml } from './read-yaml.js';

function message(text: string): string {
  const read = readYaml(text);
  return read.ok ? 'read' : (read.faults[0]?.message ?? '');
}

const LAUGHS = [
  'a: &a [x, x, x, x, x, x, x, x, x]',
  ...['b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => {
    const before = String.fromCharCode(name.charCodeAt(0) - 1);
    return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(', ')}]`;
  }),
].join('\n');

test.each([
  ['an alias bomb', LAUGHS, /alias/i],
  ['many aliases', `a: &a x\nb: [${'*a,'.repeat(101)}]`, /more than 100 aliases/],
  ['a value that contains itself', 'a: &a\n  b: [*a]\n', /"a" contains itself/],
  ['a key that contains itself', '&a { ? *a : b }', /contains itself/],
  ['an alias of nothing', 'a: *b', /Unresolved alias/],
  ['deep lists', '['.repeat(1_000), /nested more than 24 deep/],
  [
    'deep maps in lines',
    Array.from({ length: 40 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    /nested more than 24 deep/,
  ],
  ['deep lists in one line', '- '.repeat(100) + 'a', /nested more than 24 deep/],
  ['endless lists', '['.repeat(400_000), /more than 300000 words/],
  ['endless lines', '- a\n'.repeat(200_000), /more than 300000 words/],
  ['endless documents', '---\n'.repeat(200_000), /more than 300000 words/],
  ['endless anchors', '&a '.repeat(200_000), /more than 300000 words/],
  ['many values', '- a\n'.repeat(99_999) + '- [b, c]\n', /more than (100000 values|300000 words)/],
  ['a long text', `a: ${'x'.repeat(2 * 1024 * 1024)}`, /more than 2097152 bytes/],
  ['a key given twice', 'a: 1\na: 2\n', /Map keys must be unique/],
  ['an unknown tag', 'a: !!js/function "x"', /Unresolved tag/],
  ['a tab as indent', 'a:\n\tb: 1', /Tabs|tab/],
  ['an open quote', 'a: "b', /Missing closing/],
])('is refused with a message: %s', (_what, text, expected) => {
  expect(message(text)).toMatch(expected);
});

test('an alias that repeats a value is read', () => {
  expect(readYaml('a: &a [linux]\nb: *a\n')).toMatchObject({
    ok: true,
    documents: [{ value: { a: ['linux'], b: ['linux'] } }],
  });
});

test('a pack of ten thousand checks is refused', () => {
  const checks = '  - {id: a}\n'.repeat(10_000);
  const read = readPack(`kind: muster/pack\nchecks:\n${checks}`);
  expect(read).toMatchObject({
    ok: false,
    faults: [{ line: 1_003, path: 'checks', message: 'the pack has 10000 checks; a pack has at most 1000' }],
  });
});

test('the place in a block of text is that of the line in the file', () => {
  const read = readYaml('a:\n  sql: |\n    SELECT 1\n    FROM x\n  b: "SELECT"\n');
  if (!read.ok) throw new Error('not read');
  const [document] = read.documents;
  expect(document?.placeInText(['a', 'sql'], { line: 2, column: 6 })).toEqual({ line: 4, column: 10 });
  expect(document?.placeInText(['a', 'b'], { line: 1, column: 1 })).toBeUndefined();
  expect(document?.placeOf(['a', 'missing', 'deeper'])).toEqual({ line: 2, column: 3 });
});
