import { afterEach, describe, expect, it } from '@jest/globals';
import { decodeRows, type SqlValue } from '@muster/protocol';
import type { CollectRequest, TableRow } from './collect.js';
import { FIXTURE_TABLES, FixtureProvider } from './engine-fixture.js';
import { createSqlEngine, type ExecuteOptions, type ExecuteResult, type SqlEngine } from './sql-engine.js';

const FILES = ['/etc/a', '/etc/b', '/tmp/a'];

function fixtureRows(table: string, request: CollectRequest): TableRow[] {
  if (table === 'file') {
    const paths = request.equal('path') ?? FILES;
    const directories = request.equal('directory');
    return FILES.filter((path) => paths.includes(path))
      .map((path) => ({ path, directory: path.slice(0, -2), size: 5 }))
      .filter((row) => directories === undefined || directories.includes(row.directory));
  }
  const pids = request.equal('pid') ?? [1, 2, 3];
  return [1, 2, 3]
    .filter((pid) => pids.includes(pid))
    .map((pid) => ({ pid, name: `p${pid}`, path: FILES[pid - 1], cpu: pid, secret: 's' }));
}

describe('executing a statement', () => {
  let engine: SqlEngine;
  let provider: FixtureProvider;

  async function open(
    rows: (table: string, request: CollectRequest) => Iterable<TableRow> = fixtureRows,
  ): Promise<void> {
    provider = new FixtureProvider(rows);
    engine = await createSqlEngine({ tables: FIXTURE_TABLES, provider, platform: 'linux' });
  }

  function run(sql: string, options: Partial<ExecuteOptions> = {}): { result: ExecuteResult; rows: SqlValue[][] } {
    let columns = 0;
    const chunks: Uint8Array[] = [];
    const result = engine.execute(sql, {
      limits: { ms: 120_000 },
      onColumns: (names) => {
        columns = names.length;
      },
      onRows: (chunk) => {
        chunks.push(chunk);
      },
      ...options,
    });
    return { result, rows: chunks.flatMap((chunk) => decodeRows(chunk, columns)) };
  }

  afterEach(() => engine.close());

  it('pushes an equality down to the collector', async () => {
    await open();
    expect(run('SELECT name FROM processes WHERE pid = 2').rows).toEqual([['p2']]);
    expect(provider.requests).toHaveLength(1);
    expect(provider.requests[0]?.request.constraints).toEqual([{ column: 'pid', op: '=', value: 2 }]);
    expect([...(provider.requests[0]?.request.columns ?? [])].sort()).toEqual(['name', 'pid']);
  });

  it('a pattern with ESCAPE finds what it says and is pushed down as one that matches no less', async () => {
    const paths = ['/tmp/100%_a', '/tmp/100x_b', "/tmp/100%'_c"];
    await open(() => paths.map((path) => ({ path, directory: '/tmp', size: 1 })));
    const { rows } = run(
      "SELECT f.path FROM file f WHERE 1 AND f.path LIKE '/tmp/100!%!_%' ESCAPE '!' OR f.path = 'x'",
    );
    expect(rows).toEqual([['/tmp/100%_a']]);
    expect(provider.requests.flatMap(({ request }) => request.constraints)).toContainEqual({
      ...{ column: 'path', op: 'like', value: '/tmp/100__%' },
    });
    expect(run("SELECT path FROM file WHERE path LIKE '/tmp/100!%''%' ESCAPE '!'").rows).toEqual([["/tmp/100%'_c"]]);
  });

  it('pushes the values of IN lists, joins and numeric text down one by one', async () => {
    await open();
    const requests = () =>
      provider.requests.splice(0).map(({ request }) => request.equal('pid') ?? request.equal('path') ?? []);
    expect(run('SELECT name FROM processes WHERE pid IN (1, 3)').rows).toEqual([['p1'], ['p3']]);
    expect(requests()).toEqual([[1], [3]]);
    expect(run("SELECT name FROM processes WHERE pid = '3'").rows).toEqual([['p3']]);
    expect(requests()).toEqual([[3]]);
    expect(run('SELECT f.path FROM file f JOIN processes p ON p.path = f.path WHERE p.pid < 3').rows).toEqual([
      ['/etc/a'],
      ['/etc/b'],
    ]);
    expect(requests()).toEqual([[], ['/etc/a'], ['/etc/b']]);
  });

  it('pushes patterns and bounds down, and reads nothing for NULL', async () => {
    await open();
    run("SELECT path FROM file WHERE path LIKE '/etc/%' AND size >= 3 AND size < 9");
    expect(provider.requests[0]?.request.constraints).toEqual([
      { column: 'size', op: '>=', value: 3 },
      { column: 'size', op: '<', value: 9 },
      { column: 'path', op: 'like', value: '/etc/%' },
    ]);
    provider.requests.length = 0;
    expect(run('SELECT path FROM file WHERE path = NULL').rows).toEqual([]);
    expect(provider.requests).toEqual([]);
  });

  it('returns a row once when both sides of an OR match, and keeps equal rows', async () => {
    await open();
    expect(run("SELECT path FROM file WHERE path = '/etc/a' OR directory = '/etc'").rows).toEqual([
      ['/etc/a'],
      ['/etc/b'],
    ]);
    engine.close();
    await open(() => [
      { path: '/x', directory: '/', size: 1 },
      { path: '/x', directory: '/', size: 1 },
    ]);
    expect(run("SELECT path FROM file WHERE path = '/x' OR directory = '/'").rows).toEqual([['/x'], ['/x']]);
  });

  it('keeps values of every type', async () => {
    const text = 'nul\0 é 😀';
    const raw = new Uint8Array([0, 255, 1]);
    await open(() => [
      { pid: 9_007_199_254_740_993n, name: text, cpu: 1, raw },
      { pid: -9_223_372_036_854_775_808n, name: '', cpu: -0.1, raw: null },
    ]);
    expect(run('SELECT pid, name, cpu, raw, path FROM processes').rows).toEqual([
      [9_007_199_254_740_993n, text, 1, raw, null],
      [-9_223_372_036_854_775_808n, '', -0.1, null, null],
    ]);
    expect(
      run("SELECT CAST(x'61ff62' AS TEXT), 9e999, -9e999, 1.0, 9007199254740991, hex(name) FROM processes LIMIT 1")
        .rows,
    ).toEqual([['a\ufffdb', Infinity, -Infinity, 1, 9_007_199_254_740_991, '6E756C0020C3A920F09F9880']]);
  });

  it('stops reading when the statement has enough rows', async () => {
    let made = 0;
    let finished = false;
    await open(function* () {
      try {
        for (;;) yield { pid: (made += 1) };
      } finally {
        finished = true;
      }
    });
    expect(run('SELECT pid FROM processes LIMIT 3').rows).toEqual([[1], [2], [3]]);
    expect(made).toBeLessThan(6);
    expect(finished).toBe(true);
  });

  it.each([
    ['rows', 'SELECT pid FROM processes', { rows: 2 }],
    ['bytes', "SELECT printf('%.100c', 'x') FROM processes", { bytes: 250 }],
    ['row_bytes', "SELECT printf('%.2000c', 'x')", { rowBytes: 1_000 }],
    ['time', 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n', { ms: 50 }],
    [
      'memory',
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT hex(zeroblob(50000)) || i AS x FROM n ORDER BY x',
      {},
    ],
  ])('ends a statement over its limit: %s', async (limit, sql, limits) => {
    await open();
    expect(run(sql, { limits }).result).toMatchObject({ ok: false, code: 'over_budget', limit });
    expect(run('SELECT 1').rows).toEqual([[1]]);
  });

  it('ends a collector that takes too long between rows', async () => {
    await open((_table, request) => {
      for (;;) request.checkpoint();
    });
    expect(run('SELECT pid FROM processes', { limits: { ms: 30 } }).result).toMatchObject({
      code: 'over_budget',
      limit: 'time',
    });
  });

  it('reports a failing collector and keeps working', async () => {
    await open(() => {
      throw new Error('the disk is gone');
    });
    expect(run('SELECT pid FROM processes').result).toEqual({ ok: false, code: 'failed', message: 'the disk is gone' });
    expect(run('SELECT 2').result).toEqual({ ok: true, rows: 1, bytes: 2, warnings: [] });
  });

  it('rejects a table that the machine lacks', async () => {
    await open();
    expect(run('SELECT * FROM registry').result).toEqual({
      ok: false,
      code: 'unsupported_table',
      tables: ['registry'],
      message: 'table registry does not exist on linux',
    });
  });

  it('delivers rows in chunks and stops on request', async () => {
    await open();
    const counts: number[] = [];
    const sql = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100) SELECT i FROM n';
    const result = engine.execute(sql, { chunkBytes: 64, onRows: (_chunk, count) => counts.push(count) < 2 });
    expect(result).toMatchObject({ ok: false, code: 'stopped' });
    expect(counts).toHaveLength(2);
  });

  it("has osquery's scalar functions", async () => {
    await open();
    const sql =
      "SELECT regex_match('abc-12', '([a-z]+)-(\\d+)', 2), split('a/b//c', '/', 2), version_compare('1.10', '1.9'), inet_aton('10.0.0.1'), sha256('a'), split('a', ',', 4)";
    expect(run(sql).rows).toEqual([
      ['12', 'c', 1, 167_772_161, 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb', null],
    ]);
    expect(run("SELECT regex_match('a', '(', 0)").result).toMatchObject({ code: 'failed' });
  });
});
