import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runQuery } from '@muster/api-client';
import { ledgerBalances } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { muster, type CliResult } from '../kit/cli.js';
import { startHarness, type Harness } from '../kit/harness.js';

const YEAR_MS = 365 * 86_400_000;

/** Invalid and extreme queries to a real agent: each has one defined answer from the API and from the CLI. */
describe('hard queries', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await startHarness({ agent: true });
  });
  afterAll(() => harness.close());

  const cli = (...args: readonly string[]): Promise<CliResult> => muster(harness, args);

  async function refusal(body: Readonly<Record<string, unknown>>) {
    const response = await harness.api.fetch('/v1/queries', { method: 'POST', body });
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    return { status: response.status, ...((await response.json()) as Record<string, unknown>) };
  }

  it.each([
    ['a syntax error', 'SELECT\n  FROM processes', { status: 422, code: 'sql_error', line: 2 }],
    ['an unknown table', 'SELECT * FROM nonsense', { status: 422, code: 'sql_error' }],
    ['an unknown column', 'SELECT nope FROM processes', { status: 422, code: 'sql_error', line: 1, column: 8 }],
    ['no SELECT', 'DELETE FROM processes', { status: 422, code: 'sql_not_select' }],
    ['PRAGMA', 'PRAGMA user_version', { status: 422 }],
    ['the tables of the engine', 'SELECT name FROM sqlite_master', { status: 422, code: 'sql_forbidden' }],
    ['ATTACH', "ATTACH 'x' AS y", { status: 422 }],
    ['two statements', 'SELECT 1; SELECT 2', { status: 422, code: 'sql_many_statements' }],
    ['nothing', '   ', { status: 422 }],
    ['a comment only', '-- nothing', { status: 422 }],
    ['file without a path', 'SELECT * FROM file', { status: 422, code: 'sql_missing_constraint' }],
    ['hash without a path', "SELECT * FROM hash WHERE md5 = 'x'", { status: 422, code: 'sql_missing_constraint' }],
    ['SQL that is too long', `SELECT '${'x'.repeat(70_000)}'`, { status: 422, code: 'sql_too_long' }],
    ['a NUL byte in the SQL', "SELECT 'a\u0000b'", { status: 422 }],
  ])('%s is refused before anything is sent', async (_what, sql, expected) => {
    expect(await refusal({ sql })).toMatchObject(expected);
    // A NUL byte cannot be passed as an argument.
    if (sql.includes('\0')) return;
    const isUsage = sql.trim() === '' || sql.startsWith('--');
    const ran = await cli('query', sql);
    expect([ran.code, ran.stdout]).toEqual([isUsage ? 2 : 1, '']);
    expect(ran.stderr).not.toBe('');
  });

  it.each([
    ['a bad selector', { sql: 'SELECT 1', selector: 'os=linux,,' }, { status: 400, code: 'bad_selector', offset: 9 }],
    ['a timeout of 0', { sql: 'SELECT 1', timeoutMs: 0 }, { status: 400, code: 'bad_timeout' }],
    ['a timeout of a year', { sql: 'SELECT 1', timeoutMs: YEAR_MS }, { status: 400, code: 'bad_timeout' }],
    ['a timeout of a year, in words', { sql: 'SELECT 1', timeout: '365d' }, { status: 400, code: 'bad_timeout' }],
    [
      'a reduce that does not compile',
      { sql: 'SELECT 1 AS a', reduce: 'SELECT b FROM rows' },
      { status: 422, code: 'sql_error' },
    ],
    ['an unknown mode', { sql: 'SELECT 1', mode: 'both' }, { status: 400, code: 'bad_request' }],
    ['no SQL', {}, { status: 400, code: 'bad_request' }],
    ['SQL that is no text', { sql: 7 }, { status: 400, code: 'bad_request' }],
  ])('%s is refused', async (_what, body, expected) => {
    expect(await refusal(body)).toMatchObject(expected);
  });

  it.each([
    [['query', 'SELECT 1', '--timeout', '0'], 2],
    [['query', 'SELECT 1', '--target', 'os=('], 2],
    [['query'], 2],
    [['query', 'SELECT 1', '--output', 'xml'], 2],
    [['nonsense'], 2],
  ])('muster %j exits with %i and a message', async (args, code) => {
    const ran = await cli(...args);
    expect([ran.code, ran.stdout]).toEqual([code, '']);
    expect(ran.stderr).not.toBe('');
  });

  it('values of every kind arrive exactly, in JSON, NDJSON and CSV', async () => {
    const sql =
      "SELECT 'a' || char(0) || '😀' AS text, 9007199254740993 AS big, -9223372036854775808 AS least, 9007199254740991 AS safe, " +
      "NULL AS missing, x'00ff' AS blob, 1.5 AS real, 9e999 AS infinite, '' AS empty, '\"quoted\", comma' AS csv";
    const ended = await runQuery(harness.api, { sql });
    expect(ended.columns).toEqual([
      'text',
      'big',
      'least',
      'safe',
      'missing',
      'blob',
      'real',
      'infinite',
      'empty',
      'csv',
    ]);
    const values = [
      'a\0😀',
      '9007199254740993',
      '-9223372036854775808',
      9007199254740991,
      null,
      { $blob: 'AP8=' },
      1.5,
      'Infinity',
      '',
      '"quoted", comma',
    ];
    const [row] = await harness.api.all('GET /v1/queries/{id}/rows', { params: { id: ended.id } });
    expect(row?.values).toEqual(values);
    const csv = await (
      await harness.api.fetch(`/v1/queries/${ended.id}/rows`, { headers: { accept: 'text/csv' } })
    ).text();
    expect(csv).toContain(`9007199254740993,-9223372036854775808,9007199254740991,,X'00FF',1.5,Infinity,`);
    expect(csv).toContain('"""quoted"", comma"');
    const ran = await cli('query', sql, '--output', 'json');
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('9007199254740993');
    const table = await cli('query', sql);
    expect([table.code, table.stdout.includes('\0'), table.stdout.includes("X'00FF'")]).toEqual([0, false, true]);
  });

  it.each([
    [
      'more rows than the limit',
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT i FROM n',
      'over_rows',
    ],
    [
      'more bytes than the limit',
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9000) SELECT hex(zeroblob(400)) FROM n',
      'over_bytes',
    ],
    ['a row larger than the limit', 'SELECT zeroblob(600000) AS b', 'over_row_bytes'],
    [
      'a statement that never ends',
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n',
      'over_time',
    ],
  ])(
    '%s ends as over budget, and the endpoint answers the next query',
    async (_what, sql, code) => {
      const ended = await runQuery(harness.api, { sql, timeout: '30s' });
      expect(ended).toMatchObject({ state: 'complete', ledger: { targeted: 1, over_budget: 1, waiting: 0 } });
      const [missing] = await harness.api.all('GET /v1/queries/{id}/endpoints', { params: { id: ended.id } });
      expect(missing).toMatchObject({ outcome: 'over_budget', code });
      const ran = await cli('query', 'SELECT 1 AS one');
      expect(ran).toMatchObject({ code: 0 });
    },
    60_000,
  );

  it('what a search at low priority has found when its time is over is its answer, marked, and it ends with 3', async () => {
    const sql = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 4 OR i < 0';
    const ran = await cli('query', sql, '--budget', '3s,low', '--output', 'csv');
    expect([
      ran.code,
      ran.stdout
        .trim()
        .split('\n')
        .map((line) => line.trim().split(',').at(-1)),
    ]).toEqual([3, ['i', '1', '2', '3']]);
    expect(ran.stderr).toMatch(/1 answered .*\n(.*\n)*.*over_time +1 +not finished/);
    const [first] = (await harness.api.call('GET /v1/queries', {})).items;
    expect(first).toMatchObject({
      budget: { ms: 3_000, priority: 'low' },
      ledger: { targeted: 1, answered: 1 },
      warned: 1,
    });
    const refused = await cli('query', sql, '--budget', '11m');
    expect(refused.code).toBe(2);
  });

  it('a long search says how far it is, over Live and over Poll, beside a ledger that adds up', async () => {
    const endless =
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) ' +
      "SELECT count(*) AS n FROM file WHERE path LIKE '/usr/bin/%' UNION ALL SELECT max(i) FROM n";
    const order = { selector: '', interval: '1s' } as const;
    for (const mode of ['live', 'poll'] as const) {
      await harness.api.call('POST /v1/agents/mode', {
        body: mode === 'poll' ? { ...order, mode } : { selector: '', mode },
      });
      await eventually(
        async () => (await harness.api.all('GET /v1/agents', { query: { selector: `mode=${mode}` } })).length === 1,
        `the agent is in mode ${mode}`,
      );
      const { id } = await harness.api.call('POST /v1/queries', { body: { sql: endless, budget: { time: '5m' } } });
      let looked = 0;
      for await (const event of harness.api.events('GET /v1/queries/{id}/events', { params: { id } })) {
        if (event.event !== 'progress') continue;
        expect(ledgerBalances(event.ledger)).toBe(true);
        if (event.working === undefined) continue;
        expect(event.ledger.waiting).toBe(1);
        expect(event.working.endpoints).toBe(1);
        ({ looked } = event.working);
        // Its first word may come when it has hardly begun.
        if (looked > 100) break;
      }
      expect(looked).toBeGreaterThan(100);
      expect((await harness.api.call('GET /v1/queries/{id}', { params: { id } })).working).toMatchObject({
        endpoints: 1,
      });
      await harness.api.call('DELETE /v1/queries/{id}', { params: { id } });
      const ended = await eventually(async () => {
        const query = await harness.api.call('GET /v1/queries/{id}', { params: { id } });
        return query.state === 'cancelled' ? query : undefined;
      }, 'the end');
      expect(ended).not.toHaveProperty('working');
    }
    await harness.api.call('POST /v1/agents/mode', { body: { selector: '', mode: 'live' } });
    await eventually(
      async () => (await harness.api.all('GET /v1/agents', { query: { selector: 'mode=live' } })).length === 1,
    );
  });

  describe('a tree of folders that is deeper than paths can be, with a name that is not UTF-8', () => {
    let root: string;
    const from = () => `FROM file WHERE path LIKE '${root}/%%'`;
    const lacks = expect.arrayContaining([expect.objectContaining({ code: 'too_large', count: 1 })]) as unknown;
    beforeAll(() => {
      root = mkdtempSync(join(tmpdir(), 'muster-deep-'));
      writeFileSync(Buffer.concat([Buffer.from(`${root}/b`), Buffer.from([0xff])]), '');
      const start = process.cwd();
      process.chdir(root);
      // 5,490 bytes; a path may have 4,096.
      const name = 'd'.repeat(60);
      for (let level = 0; level < 90; level += 1) {
        mkdirSync(name);
        process.chdir(name);
      }
      process.chdir(start);
    });
    // rmSync calls itself for each level.
    afterAll(() => void execFileSync('/bin/rm', ['-rf', root]));

    it.each(['raw', 'group'] as const)(
      'is answered (%s) as far as it can be read, and the answer says what it lacks',
      async (mode) => {
        const ended = await runQuery(harness.api, { sql: `SELECT count(*) AS n ${from()}`, mode });
        expect(ended).toMatchObject({ state: 'complete', warned: 1, ledger: { targeted: 1, answered: 1 } });
        const [row] = await harness.api.all('GET /v1/queries/{id}/rows', { params: { id: ended.id } });
        expect(row?.values[0]).toBeGreaterThan(64);
        const form = mode === 'group' ? ['--group'] : [];
        const { stdout } = await cli('query', `SELECT count(*) AS n ${from()}`, ...form, '--output', 'json');
        expect(JSON.parse(stdout)).toMatchObject({ warnings: lacks });
        const shown = await cli('query', `SELECT count(*) AS n ${from()}`, ...form);
        expect(shown.stdout + shown.stderr).toMatch(/1 answered without something that could not be read as a whole/);
      },
    );

    it('is found by its name again', async () => {
      const first = await runQuery(harness.api, { sql: `SELECT path ${from()} AND filename LIKE 'b_'` });
      const [row] = await harness.api.all('GET /v1/queries/{id}/rows', { params: { id: first.id } });
      expect(row?.values).toEqual([`${root}/b\uefff`]);
      const again = await runQuery(harness.api, {
        sql: `SELECT size FROM file WHERE path = '${row?.values[0] as string}'`,
      });
      expect(await harness.api.all('GET /v1/queries/{id}/rows', { params: { id: again.id } })).toMatchObject([
        { values: [0] },
      ]);
    });
  });

  it('an endpoint that does not have the table refuses, and the CLI exits with 3', async () => {
    const ran = await cli('query', 'SELECT name FROM programs');
    expect(ran.code).toBe(3);
    expect(ran.stderr).toMatch(/refused/);
    const ended = await runQuery(harness.api, { sql: 'SELECT name FROM programs' });
    const [missing] = await harness.api.all('GET /v1/queries/{id}/endpoints', { params: { id: ended.id } });
    expect(missing).toMatchObject({ outcome: 'refused', code: 'unsupported_table' });
  });

  it('a query whose selector matches no endpoint is complete at once, without a failure', async () => {
    expect(await cli('query', 'SELECT 1 AS one', '--target', 'os=windows')).toMatchObject({ code: 0 });
  });
});
