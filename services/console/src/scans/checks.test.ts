import { expect, test } from '@jest/globals';
import type { PackCheckJson, ScanJson } from '@muster/api-contract';
import { checksOf, shownChecks } from './checks.js';
import { readEvidence } from './evidence.js';
import { failingSql, selectorFor } from './failing-sql.js';
import { NO_COUNTS } from './outcomes.js';

const check = (id: string, severity: string, counts: Partial<typeof NO_COUNTS> & { excepted?: number }) => ({
  ...{ id, title: `Title of ${id}`, severity },
  ...{ excepted: 0, ...NO_COUNTS, ...counts },
});
const SCAN = {
  checks: [
    check('quiet', 'critical', { pass: 3 }),
    check('low', 'low', { fail: 9 }),
    check('mute', 'critical', { error: 2 }),
    check('many', 'high', { fail: 2, pass: 1 }),
    check('few', 'high', { fail: 1, pass: 2 }),
  ],
  changes: { fails: ['few'], mended: ['quiet'], still: ['low'] },
} as unknown as ScanJson;
const EXCEPTION = { id: 'exc1', owner: 'ops', reason: 'old', until: '2027-01-01T00:00:00Z' };
const CONTENT: PackCheckJson = {
  ...{ id: 'few', title: 'Few', severity: 'high', platforms: ['linux'], tags: ['ssh'], not_applicable: 'no' },
  ...{ sql: 'SELECT pid FROM processes; ', row_means: 'fail' },
};

test('what fails comes first, then the most severe, then what concerns most', () => {
  const checks = checksOf(SCAN, [CONTENT], []);
  expect(checks.map(({ id }) => id)).toEqual(['many', 'few', 'low', 'mute', 'quiet']);
  expect(checks[1]).toMatchObject({ change: 'fails', not_applicable: 0, pack: { tags: ['ssh'] } });
  const ids = (shown: 'open' | 'changed' | 'all', text = ''): string[] =>
    shownChecks(checks, shown, text).map(({ id }) => id);
  expect(ids('open')).toEqual(['many', 'few', 'low', 'mute']);
  expect(ids('changed')).toEqual(['few', 'quiet']);
  expect(ids('all', 'HIGH title')).toEqual(['many', 'few']);
  expect(ids('all', 'ssh')).toEqual(['few']);
});

test('what fails only where an exception allows it does not count as failing, and is found by itself', () => {
  const scan = {
    checks: [
      check('allowed', 'critical', { fail: 3, excepted: 3 }),
      check('partly', 'low', { fail: 3, excepted: 2 }),
      check('quiet', 'high', { pass: 3 }),
    ],
  } as unknown as ScanJson;
  const checks = checksOf(scan, [], []);
  expect(checks.map(({ id }) => id)).toEqual(['partly', 'allowed', 'quiet']);
  const ids = (shown: 'open' | 'excepted'): string[] => shownChecks(checks, shown, '').map(({ id }) => id);
  expect(ids('open')).toEqual(['partly']);
  expect(ids('excepted')).toEqual(['partly', 'allowed']);
});

test('until a scan is counted, its findings say what fails so far', () => {
  const finding = { check: 'few', reason: null, evidence: null, sample: [], exceptions: [] };
  const [first] = checksOf(
    {} as ScanJson,
    [CONTENT],
    [
      { ...finding, outcome: 'fail', endpoints: 2, exceptions: [{ ...EXCEPTION, endpoints: 1 }] },
      { ...finding, outcome: 'fail', endpoints: 3 },
      { ...finding, check: 'other', outcome: 'fail', endpoints: 5 },
    ],
  );
  expect(first).toMatchObject({ id: 'few', fail: 5, excepted: 1, pass: 0, not_applicable: 0, change: undefined });
});

test('evidence is a table where it is a list of rows, and else the text that an endpoint said', () => {
  expect(readEvidence('[{"a":1,"b":null},{"a":"x","c":[2]}]')).toEqual({
    ...{ columns: ['a', 'b', 'c'], more: 0 },
    rows: [
      ['1', '', ''],
      ['x', '', '[2]'],
    ],
  });
  expect(readEvidence(JSON.stringify(Array.from({ length: 9 }, () => ({ a: 1 }))))).toMatchObject({ more: 3 });
  for (const text of ['<b>', '{"a":1}', '[1]', '[null]', '"x"']) expect(readEvidence(text)).toBe(text);
  expect(readEvidence(null)).toBe('');
});

test('a check as a question: its rows, or a row where the check wants one and has none', () => {
  expect(failingSql(CONTENT)).toBe('SELECT pid FROM processes');
  expect(failingSql({ ...CONTENT, sql: 'SELECT 1 -- why', row_means: 'pass', applies_if: 'SELECT 2;' })).toBe(
    "SELECT 'no such row' AS fails WHERE NOT EXISTS (\nSELECT 1 -- why\n) AND EXISTS (\nSELECT 2\n)",
  );
  expect(failingSql({ ...CONTENT, applies_if: 'SELECT 2' })).toContain('WHERE EXISTS (\nSELECT 2\n)');
  expect(selectorFor('env=prod', CONTENT)).toBe('env=prod,os in (linux)');
  expect(selectorFor('', { ...CONTENT, platforms: ['linux', 'windows', 'darwin'] })).toBe('');
});
