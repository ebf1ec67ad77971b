import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';
import { endedQuery, queryJson } from '../testing/fake-api.js';
import { completeLine } from './complete-line.js';

const { api, muster } = cliHarness({ MUSTER_TOKEN: 't' });
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'muster-shell-'));
  const rows = {
    event: 'rows',
    seq: 1,
    answers: [{ num: 1, agentId: 'a1', host: 'h1', rows: [['Debian', '12']] }],
  } as const;
  api.query(queryJson(), [
    rows,
    { event: 'ended', seq: 2, query: endedQuery({ rows: 1 }, { targeted: 1, answered: 1 }) },
  ]);
  const column = { name: 'pid', type: 'bigint', description: '', required: false };
  api.json('GET /v1/tables', {
    items: [
      { name: 'processes', columns: [column] },
      { name: 'users', columns: [] },
    ],
  });
});
afterEach(() => rmSync(home, { recursive: true }));

const typed = (...answers: string[]) =>
  muster(['shell', '--target', 'os=linux'], { answers, isTTY: true, home, env: { NO_COLOR: '1' } });
const asked = () => api.requests.filter(({ method }) => method === 'POST').map(({ body }) => body);

describe('muster shell', () => {
  test('asks at the semicolon, on several lines too, and shows rows and ledger', async () => {
    const { code, out, err } = await typed('SELECT name', 'FROM os_version;', '.quit');
    expect(asked()).toEqual([{ sql: 'SELECT name\nFROM os_version', selector: 'os=linux', mode: 'raw' }]);
    expect(out).toContain('h1    Debian  12');
    expect(err).toContain('1 targeted = 1 answered');
    expect(code).toBe(0);
  });

  test('a semicolon ends a statement wherever it stands, but not inside of a text or a comment', async () => {
    await typed(
      "SELECT 1; SELECT ';",
      "still' AS text -- no end; here",
      '; SELECT [a;b] /* ; */ FROM "t;"',
      ';;',
      '-- nothing;',
    );
    expect(asked().map((body) => (body as { sql: string }).sql)).toEqual([
      'SELECT 1',
      "SELECT ';\nstill' AS text -- no end; here",
      'SELECT [a;b] /* ; */ FROM "t;"',
    ]);
  });

  test('settings change how it asks; \\x and \\timing are on until they are off', async () => {
    const { out, err } = await typed(
      '.target env=prod',
      '.group on',
      '.group off',
      '.timeout 1m',
      '\\x',
      '\\timing',
      'SELECT 1;',
    );
    expect(asked()).toEqual([{ sql: 'SELECT 1', selector: 'env=prod', mode: 'raw', timeout: '1m' }]);
    expect(out).toMatch(/name +\| Debian|name: +Debian|NAME +Debian/i);
    expect(err).toMatch(/Time: \d+ ms/);
  });

  test('an error is said, and it goes on', async () => {
    const { out, err, code } = await typed('.nothing', '.output nothing', '.schema', '.tables proc');
    expect(err).toContain('.nothing is no command of the shell');
    expect(err).toContain('.output nothing is none');
    expect(err).toContain('.schema needs the name of a table');
    expect(out).toBe('processes\n');
    expect(code).toBe(0);
  });

  test('an empty line, as Ctrl-C gives, forgets what was begun', async () => {
    await typed('SELECT broken', '', 'SELECT 2;');
    expect(asked()).toMatchObject([{ sql: 'SELECT 2' }]);
  });

  test('keeps what was typed for the next time, for its owner alone', async () => {
    await typed('SELECT 1;', '\\timing');
    const path = join(home, '.config/muster/shell-history');
    expect(readFileSync(path, 'utf8')).toBe('SELECT 1;\n\\timing\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('runs what is piped into it, the last statement without its semicolon too', async () => {
    await muster(['shell'], { answers: ['SELECT 1;', 'SELECT 2'], home });
    expect(asked()).toMatchObject([{ sql: 'SELECT 1', selector: '' }, { sql: 'SELECT 2' }]);
  });
});

test('completion knows commands, tables and the columns of the tables that are named', async () => {
  const words = {
    tables: () => Promise.resolve(['processes', 'users']),
    columns: (sql: string) => Promise.resolve(sql.includes('processes') ? ['pid', 'path'] : []),
  };
  expect(await completeLine('.ta', words)).toEqual([['.tables', '.target'], '.ta']);
  expect(await completeLine('SELECT * FROM pro', words)).toEqual([['processes'], 'pro']);
  expect(await completeLine('.schema ', words)).toEqual([['processes', 'users'], '']);
  expect(await completeLine('SELECT * FROM processes WHERE p', words)).toEqual([['pid', 'path'], 'p']);
  expect(await completeLine('sel', words)).toEqual([['SELECT'], 'sel']);
});
