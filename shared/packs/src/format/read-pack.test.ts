import { expect, test } from '@jest/globals';
import { readPack } from './read-pack.js';
import { writePack } from './write-pack.js';

const HEAD = 'kind: muster/pack\nformat: 1\nid: test\nversion: 1.0.0\ntitle: Test\n';
const CHECK = `  - id: one
    title: One
    severity: high
    platforms: [linux]
    sql: |
      SELECT 1
    row_means: fail
`;
const GOOD = `${HEAD}checks:\n${CHECK}`;

function faults(text: string): string[] {
  const read = readPack(text);
  if (read.ok) throw new Error('the pack was read');
  return read.faults.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
}

test('a pack is read, and written again it is the same pack', () => {
  const read = readPack(GOOD);
  expect(read).toMatchObject({ ok: true, pack: { id: 'test', checks: [{ id: 'one', sql: 'SELECT 1\n' }] } });
  if (!read.ok) return;
  const again = readPack(writePack(read.pack, 'made by a test\nof two lines'));
  expect(again).toMatchObject({ ok: true, pack: read.pack });
});

test('each fault has the line and column of its value', () => {
  expect(faults(GOOD.replace('high', 'severe'))).toEqual([
    '9:15 checks[0].severity: must be one of info, low, medium, high, critical',
  ]);
  expect(faults(GOOD.replace('    row_means: fail\n', '    row_mean: fail\n'))).toEqual([
    '13:5 checks[0].row_mean: there is no such key',
  ]);
  expect(faults(GOOD.replace('    row_means: fail\n', ''))).toEqual([
    '7:5 checks[0].row_means: is missing: does a row mean pass or fail?',
  ]);
  expect(faults(GOOD.replace('title: Test\n', ''))).toEqual(['1:1 title: is missing']);
  expect(faults(GOOD.replace('[linux]', '[linux, beos]'))).toEqual([
    '10:24 checks[0].platforms[1]: must be one of linux, windows, darwin',
  ]);
});

test('several faults are told at once, in the sequence of the text', () => {
  const text = GOOD.replace('version: 1.0.0', 'version: 1.10').replace('[linux]', '[]');
  expect(faults(text)).toEqual([
    '4:10 version: write it in quotes, it is not a number',
    '10:16 checks[0].platforms: must not be empty',
  ]);
});

test('an id is there once', () => {
  expect(faults(`${GOOD}${CHECK}`)).toEqual(['14:9 checks[1].id: the check in line 7 has this id already']);
});

test('a reference that YAML reads as a number is not taken as another text', () => {
  expect(faults(`${GOOD}    references: { cis: [5.10] }\n`)).toEqual([
    '14:25 checks[0].references.cis[0]: write it in quotes, it is not a number',
  ]);
});

test('a check has SQL, or the reason why it has none', () => {
  const without = GOOD.replace(/ {4}sql[\s\S]*/, '    not_applicable: a command\n');
  expect(readPack(without)).toMatchObject({ ok: true });
  expect(faults(GOOD.replace(/ {4}sql[\s\S]*/, ''))).toEqual([
    '7:5 checks[0].sql: is missing',
    '7:5 checks[0].row_means: is missing: does a row mean pass or fail?',
  ]);
  expect(faults(`${GOOD}    not_applicable: a command\n`)).toEqual([
    '11:10 checks[0].sql: does not go together with not_applicable',
    '13:16 checks[0].row_means: does not go together with not_applicable',
  ]);
});

test.each([
  ['an escape', 'title: "a\\e[2Jb"', '5:8 title: must be one line without control characters'],
  ['a change of direction', 'title: "a\\u202eb"', '5:8 title: must be one line without control characters'],
  ['a second line', 'title: "a\\nb"', '5:8 title: must be one line without control characters'],
])('texts that people read hide nothing: %s', (_what, title, fault) => {
  expect(faults(GOOD.replace('title: Test', title))).toEqual([fault]);
});

test.each([
  ['references: { url: ["https://example.org/\\u202eb"] }', '14:25 checks[0].references.url[0]'],
  ['evidence: ["a\\u202eb"]', '14:16 checks[0].evidence[0]'],
])('nor do those of a check: %s', (member, place) => {
  expect(faults(`${GOOD}    ${member}\n`)).toEqual([`${place}: must be one line without control characters`]);
});

test('two documents, none, and another kind are refused', () => {
  expect(faults(`${GOOD}---\n${GOOD}`)).toEqual(['15:1 : one document is a pack; here begins another']);
  expect(faults('')).toHaveLength(1);
  expect(faults('# nothing\n')).toHaveLength(1);
  expect(faults('- a\n')).toHaveLength(1);
  expect(faults(GOOD.replace('format: 1', 'format: 2'))).toEqual(['2:9 format: must be one of 1']);
});

test('__proto__ is a key like others, and no check inherits from it', () => {
  expect(faults(`${GOOD}    __proto__: { not_applicable: x }\n`)).toEqual([
    '14:5 checks[0].__proto__: there is no such key',
  ]);
});
