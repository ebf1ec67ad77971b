import { expect, test } from '@jest/globals';
import { bodyFault } from './bodies.js';
import { DEFAULT_BUDGET, LIMITS } from './limits.js';
import { columnsFault } from './result-columns.js';

const { resultColumns: COUNT, columnNameBytes: NAME, columnNamesBytes: NAMES } = LIMITS;
const of = (count: number, name: string): string[] => Array<string>(count).fill(name);

test.each([
  ['none', []],
  ['the longest name', ['a'.repeat(NAME)]],
  ['the longest name in two bytes a character', ['ä'.repeat(NAME / 2)]],
  ['as many as there may be', of(COUNT, 'a')],
  ['as many bytes as all may have', of(NAMES / NAME, 'a'.repeat(NAME))],
])('%s can be asked for, and an agent takes the question with the longest statement', (_what, columns) => {
  expect(columnsFault(columns)).toBeUndefined();
  const sql = 'ä'.repeat(LIMITS.sqlBytes / 2);
  const question = { id: 'q', sql, columns, remainingMs: LIMITS.queryTimeoutMaxMs, budget: DEFAULT_BUDGET, credit: 1 };
  expect(bodyFault('query', question)).toBeUndefined();
});

test.each([
  [
    'a name that is too long',
    [...of(3, 'a'), 'a'.repeat(NAME + 1)],
    /name of column 4 has 1025 bytes, 1024 are allowed.*AS/,
  ],
  ['one that is too long in bytes only', ['ä'.repeat(NAME / 2 + 1)], /column 1 has 1026 bytes/],
  ['too many', of(COUNT + 1, 'a'), /2001 columns, 2000 are allowed/],
  [
    'too many bytes together',
    [...of(NAMES / NAME, 'a'.repeat(NAME)), 'a'],
    /65 columns have 65537 bytes together, 65536/,
  ],
])('%s: the fault says which and what to do', (_what, columns, message) => {
  expect(columnsFault(columns)).toMatch(message);
});
