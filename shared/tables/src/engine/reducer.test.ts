import { describe, expect, it } from '@jest/globals';
import { decodeRows, encodeCbor, type SqlValue } from '@muster/protocol';
import { compileReduce, createReducer, reduceColumns } from './reducer.js';

function sequence(...rows: SqlValue[][]): Uint8Array {
  return Buffer.concat(rows.map((row) => encodeCbor(row)));
}

function rowsOf(result: object): SqlValue[][] {
  if (!('rows' in result) || !('columns' in result)) throw new Error(JSON.stringify(result));
  return decodeRows(result.rows as Uint8Array, (result.columns as unknown[]).length);
}

describe('the reducer', () => {
  it('runs a statement on raw rows with their endpoint', async () => {
    const reducer = await createReducer({ form: 'raw', columns: ['name', 'version'] });
    expect(reducer.insertRaw('a1', 'web-1', sequence(['bash', '5.1'], ['curl', '7'])).ok).toBe(true);
    reducer.insertRaw('a2', 'web-2', sequence(['bash', '5.2']));
    const sql = 'SELECT name, count(DISTINCT host) AS n, group_concat(version) FROM rows GROUP BY name ORDER BY name';
    expect(rowsOf(reducer.run(sql))).toEqual([
      ['bash', 2, '5.1,5.2'],
      ['curl', 1, '7'],
    ]);
    reducer.insertRaw('a3', 'web-3', sequence(['bash', '5.2']));
    expect(rowsOf(reducer.run("SELECT agent_id FROM rows WHERE name = 'bash'"))).toEqual([['a1'], ['a2'], ['a3']]);
    reducer.close();
  });

  it('counts endpoints of grouped rows', async () => {
    const reducer = await createReducer({ form: 'group', columns: ['name'] });
    reducer.insertGroup(4_000, sequence(['bash']));
    reducer.insertGroup(3, sequence(['curl']));
    expect(rowsOf(reducer.run('SELECT sum(endpoints) FROM rows'))).toEqual([[4_003]]);
    reducer.close();
  });

  it('keeps values exactly', async () => {
    const values: SqlValue[] = [
      null,
      0,
      -1,
      255,
      70_000,
      2 ** 31,
      -(2 ** 40),
      9_223_372_036_854_775_807n,
      0.5,
      0.1,
      -Infinity,
      'é\0😀',
      '',
      new Uint8Array([0, 1]),
    ];
    const reducer = await createReducer({ form: 'raw', columns: values.map((_, index) => `c${index}`) });
    reducer.insertRaw('a', 'h', sequence(values));
    expect(rowsOf(reducer.run('SELECT * FROM rows'))).toEqual([['a', 'h', ...values]]);
    reducer.close();
  });

  it('gives repeated and unusual column names unique names', async () => {
    expect(reduceColumns({ form: 'raw', columns: ['pid', 'host', 'PID', 'count(*)', 'pid_2'] })).toEqual([
      'agent_id',
      'host',
      'pid',
      'host_2',
      'PID_2',
      'count(*)',
      'pid_2_2',
    ]);
    const shape = { form: 'group' as const, columns: ['a"b', 'a"b', ''] };
    expect(await compileReduce('SELECT "a""b_2" FROM rows', shape)).toMatchObject({ ok: true });
  });

  it.each([
    ['SELECT nope FROM rows', 'sql_error'],
    ['SELECT * FROM processes', 'sql_error'],
    ['DELETE FROM rows', 'not_select'],
    ['SELECT 1; DROP TABLE rows', 'many_statements'],
    ['SELECT * FROM sqlite_stmt', 'forbidden'],
  ])('rejects %s before the query starts', async (sql, code) => {
    expect(await compileReduce(sql, { form: 'raw', columns: ['pid'] })).toMatchObject({ ok: false, code });
  });

  it('stays within its limits', async () => {
    const reducer = await createReducer({ form: 'group', columns: ['n'], heapBytes: 4 * 1024 * 1024 });
    const rows = sequence(...Array.from({ length: 1_000 }, (_, n) => [n]));
    for (const n of [1, 2, 3]) reducer.insertGroup(n, rows);
    expect(
      reducer.run('SELECT a.n FROM rows a, rows b, rows c, rows d WHERE a.n + b.n + c.n + d.n < 0', { ms: 30 }),
    ).toMatchObject({ limit: 'time' });
    expect(reducer.run('SELECT n FROM rows', { rows: 10 })).toMatchObject({ limit: 'rows' });
    let result = reducer.insertGroup(1, rows);
    for (let i = 0; i < 1_000 && result.ok; i += 1) result = reducer.insertGroup(1, rows);
    expect(result).toMatchObject({ ok: false, code: 'memory' });
    expect(reducer.run('SELECT 1')).toMatchObject({ code: 'over_budget', limit: 'memory' });
    reducer.close();
  });

  it('throws on bytes that are not rows', async () => {
    const reducer = await createReducer({ form: 'raw', columns: ['n'] });
    expect(() => reducer.insertRaw('a', 'h', encodeCbor([1, 2]))).toThrow('row of 1 values');
    expect(() => reducer.insertRaw('a', 'h', Uint8Array.from([0x81, 0x62, 0x61]))).toThrow('cut off');
    reducer.close();
  });
});
