import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { JudgedCheck } from '@muster/packs/verdict';
import { decodeRows, LIMITS } from '@muster/protocol';
import { type CollectRequest, createSqlEngine, type SqlEngine, type TableRow, TABLES } from '@muster/tables';
import { runCheck, runChecks } from './run-checks.js';

let engine: SqlEngine;
/** What the table `users` has, and whether some of it could not be read. */
let rows: TableRow[] = [];
let unreadable = false;
beforeAll(async () => {
  const provider = {
    has: (table: string) => table === 'users',
    *collect(_table: string, request: CollectRequest): Generator<TableRow> {
      if (unreadable) request.warn('unreadable', '/etc/passwd cannot be read');
      yield* rows;
    },
  };
  engine = await createSqlEngine({ tables: TABLES, provider, platform: 'linux' });
});
afterAll(() => engine.close());
beforeEach(() => {
  rows = [];
  unreadable = false;
});

const users = (count: number): TableRow[] => Array.from({ length: count }, (_, uid) => ({ uid, username: `u${uid}` }));
const check = (sql: string, row_means: 'pass' | 'fail'): JudgedCheck => ({
  ...{ id: 'a', platforms: ['linux'], sql, row_means },
});
const ALL = check('SELECT uid, username FROM users', 'fail');

describe('a verdict', () => {
  test('is no pass where a row is there because nothing could be read', () => {
    unreadable = true;
    const absent = check("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM users WHERE username = 'x')", 'pass');
    expect(runCheck(engine, absent, { platform: 'linux' })).toMatchObject({ outcome: 'error' });
    expect(runCheck(engine, ALL, { platform: 'linux' })).toMatchObject({ outcome: 'error' });
    unreadable = false;
    expect(runCheck(engine, absent, { platform: 'linux' })).toEqual({ outcome: 'pass' });
  });

  test('is fail with more rows than the budget takes, and says that there are more', () => {
    rows = users(20_000);
    const verdict = runCheck(engine, ALL, { platform: 'linux' });
    expect(verdict).toMatchObject({ outcome: 'fail', reason: expect.stringContaining('more than') });
    expect(verdict.evidence).toHaveLength(20);
  });

  test('of fail says whether its evidence is all of it', () => {
    rows = users(20);
    expect(runCheck(engine, ALL, { platform: 'linux' })).not.toHaveProperty('reason');
    rows = users(21);
    expect(runCheck(engine, ALL, { platform: 'linux' })).toMatchObject({
      reason: 'there are more rows than are shown',
    });
  });
});

test('evidence that is cut for its length says so', () => {
  rows = users(2).map((row) => ({ ...row, username: 'n'.repeat(LIMITS.checkEvidenceChars) }));
  const told: unknown[] = [];
  runChecks(
    engine,
    {
      scan: {
        checks: [{ ...ALL, platforms: ['linux', 'darwin', 'windows'] }],
        from: 0,
        budgetMs: 9_000,
        checkMs: 9_000,
        evidenceChars: 100_000,
      },
      hung: [],
    },
    (row) => told.push(...decodeRows(row, 4)),
    { refused: undefined, begin: () => undefined },
  );
  expect(told).toEqual([[0, 'fail', 'there are more rows than are shown', expect.stringContaining('nnn')]]);
});
