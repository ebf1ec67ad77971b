import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeRows, type SqlValue } from '@muster/protocol';
import { createSqlEngine, type SqlEngine } from './sql-engine.js';

/**
 * Expressions with what osqueryi gave for `quote(expression)`, `null` for an error. `npm run compare:osquery` asks an
 * osqueryi of today, with other arguments each time.
 */
interface Recorded {
  readonly osquery: string;
  readonly cases: readonly (readonly [expression: string, result: string | null])[];
}

/** What is otherwise on purpose. `docs/sql.md` has the same list. */
const DIFFERENCES: readonly { readonly why: string; readonly isOne: (expression: string) => boolean }[] = [
  { why: 'patterns match characters, not bytes', isOne: (one) => one === "regex_match('äöü','^.',0)" },
  {
    why: 'ECMAScript takes patterns that the C++ library refuses, and finds a lone bracket',
    isOne: (one) =>
      /^regex_match\('[^']*','(?:\[\[:<:\]\]foo|x\{|\\z|a\\_b|\(\?<.*|a\{,2\}|a\{|\}|\]|\[a\]\]|\[b-a\])',0\)$/.test(
        one,
      ),
  },
  { why: 'an empty match moves on by one character', isOne: (one) => /^regex_split\('[^']*','x\*',\d\)$/.test(one) },
  { why: 'bytes that are no text are a BLOB, not cut off', isOne: (one) => one.startsWith("from_base64('AP8=')") },
  {
    why: 'IPv6 blocks that end at the last address contain their addresses',
    isOne: (one) => /^in_cidr_block\('(?:[^']*\/0|ffff:[^']*)'/.test(one),
  },
  { why: 'infinity is written in another way', isOne: (one) => /^cot\('?(?:0|0x10|x|)'?\)$/.test(one) },
  { why: 'too large an exponent is infinite, too low a one 0', isOne: (one) => one.startsWith('exp(') },
];

const recorded = JSON.parse(
  readFileSync(new URL('../../fixtures/osquery-functions.json', import.meta.url), 'utf8'),
) as Recorded;

describe('functions and collations give what osquery gives', () => {
  let engine: SqlEngine;
  beforeAll(async () => {
    engine = await createSqlEngine({ tables: [] });
  });
  afterAll(() => engine.close());

  /** `null` for an error. */
  function quoted(expression: string): string | null {
    const rows: SqlValue[][] = [];
    const result = engine.execute(`SELECT quote(${expression})`, {
      onRows: (chunk) => void rows.push(...decodeRows(chunk, 1)),
    });
    return result.ok ? String(rows[0]?.[0]) : null;
  }

  const isSame = (ours: string | null, theirs: string | null): boolean =>
    ours === theirs || (ours !== null && theirs !== null && isSameReal(ours, theirs));

  it('in all recorded cases but the listed differences', () => {
    const others = recorded.cases
      .map(([expression, theirs]) => ({ expression, theirs, ours: quoted(expression) }))
      .filter(({ ours, theirs }) => !isSame(ours, theirs))
      .filter(({ expression }) => !DIFFERENCES.some(({ isOne }) => isOne(expression)));
    expect(others).toEqual([]);
    expect(recorded.cases.length).toBeGreaterThan(1_000);
  });

  it('each listed difference is one', () => {
    const different = recorded.cases.filter(([expression, theirs]) => !isSame(quoted(expression), theirs));
    for (const { why, isOne } of DIFFERENCES) {
      expect({ why, found: different.some(([expression]) => isOne(expression)) }).toEqual({ why, found: true });
    }
  });

  it.each([
    ['version', '1.2', '1.10'],
    ['version_dpkg', '2.0', '1:1.0'],
    ['version_rhel', '1.0~rc1', '1.0'],
    ['version_arch', '1.0', '1.0^1'],
  ])('the collation %s sorts %s before %s', (collation, first, second) => {
    const rows: SqlValue[][] = [];
    engine.execute(`SELECT column1 FROM (VALUES ('${second}'), ('${first}')) ORDER BY column1 COLLATE ${collation}`, {
      onRows: (chunk) => void rows.push(...decodeRows(chunk, 1)),
    });
    expect(rows).toEqual([[first], [second]]);
  });
});

/** Both are written as REAL, and no more than rounding apart. */
function isSameReal(left: string, right: string): boolean {
  if (!left.includes('.') || !right.includes('.')) return false;
  return Math.abs(Number(left) - Number(right)) <= 1e-13 * Math.abs(Number(right));
}
