import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeRows, type SqlParameter, type SqlValue } from '@muster/protocol';
import { FIXTURE_TABLES, FixtureProvider } from './engine-fixture.js';
import { createReducer } from './reducer.js';
import { createSqlEngine, type SqlEngine } from './sql-engine.js';

const text = (name: string, value: string): SqlParameter => ({ name, type: 'text', value });
const integer = (name: string, value: number | bigint): SqlParameter => ({ name, type: 'integer', value });

describe('parameters of a statement', () => {
  let engine: SqlEngine;
  let provider: FixtureProvider;
  beforeEach(async () => {
    provider = new FixtureProvider((table) =>
      table === 'file' ? [{ path: '/etc/a', directory: '/etc', size: 5 }] : [{ pid: 2, name: 'p2' }],
    );
    engine = await createSqlEngine({ tables: FIXTURE_TABLES, provider, platform: 'linux' });
  });
  afterEach(() => engine.close());

  function run(sql: string, parameters: readonly SqlParameter[] = []): unknown {
    let columns = 0;
    const chunks: Uint8Array[] = [];
    const result = engine.execute(sql, {
      parameters,
      limits: { ms: 120_000 },
      onColumns: (names) => void (columns = names.length),
      onRows: (chunk) => void chunks.push(chunk),
    });
    return result.ok ? chunks.flatMap((chunk): SqlValue[][] => decodeRows(chunk, columns)) : result;
  }

  it('keep their type, whatever is in them', () => {
    const hostile = "'; DROP TABLE x; --\0\u001b[31m\u202e😀";
    const parameters: SqlParameter[] = [
      text('t', hostile),
      integer('i', 2n ** 63n - 1n),
      { name: 'r', type: 'number', value: 22 },
      { name: 'b', type: 'blob', value: new Uint8Array([0, 255]) },
      { name: 'n', type: 'null', value: null },
      text('e', ''),
    ];
    const types = 'SELECT typeof(:t), typeof(:i), typeof(:r), typeof(:b), typeof(:n), typeof(:e), :r / 4';
    expect(run(types, parameters)).toEqual([['text', 'integer', 'real', 'blob', 'null', 'text', 5.5]]);
    expect(run('SELECT :t, :i, :b', parameters)).toEqual([[hostile, 2n ** 63n - 1n, new Uint8Array([0, 255])]]);
    expect(run('SELECT length(:t)', [text('t', 'x'.repeat(64 * 1024))])).toEqual([[65_536]]);
  });

  it('are pushed down to the table as a literal is, for = and LIKE', () => {
    const constraints = () => provider.requests.at(-1)?.request.constraints;
    expect(run('SELECT path FROM file WHERE path = :p', [text('p', '/etc/a')])).toEqual([['/etc/a']]);
    expect(constraints()).toEqual([{ column: 'path', op: '=', value: '/etc/a' }]);
    expect(run('SELECT path FROM file WHERE path LIKE :p', [text('p', '/etc/%')])).toEqual([['/etc/a']]);
    expect(constraints()).toEqual([{ column: 'path', op: 'like', value: '/etc/%' }]);
    expect(run('SELECT name FROM processes WHERE pid = :pid', [integer('pid', 2)])).toEqual([['p2']]);
    expect(constraints()).toEqual([{ column: 'pid', op: '=', value: 2 }]);
    expect(run('SELECT name FROM processes WHERE pid = :pid', [text('pid', '2')])).toEqual([['p2']]);
    expect(run('SELECT path FROM file WHERE path = :p', [{ name: 'p', type: 'null', value: null }])).toEqual([]);
  });

  it('may be a list, as JSON text', () => {
    const list = [text('pids', '[1,2,"x\'"]')];
    expect(run('SELECT pid FROM processes WHERE pid IN (SELECT value FROM json_each(:pids))', list)).toEqual([[2]]);
    const paths = [text('paths', '["/etc/a","/etc/b"]')];
    expect(run('SELECT path FROM file WHERE path IN (SELECT value FROM json_each(:paths))', paths)).toEqual([
      ['/etc/a'],
    ]);
  });

  it('without a value are a fault that names the place, and others are left alone', () => {
    expect(run('SELECT 1,\n  :port', [text('other', 'x')])).toMatchObject({
      ...{ ok: false, code: 'sql_error', message: 'nothing gives the parameter :port a value' },
      position: { line: 2, column: 3 },
    });
    expect(run("SELECT ':port' -- :port", [text('other', 'x')])).toEqual([[':port']]);
    for (const marker of ['?', '?1', '@a', '$a'])
      expect(run(`SELECT ${marker}`, [text('a', 'x')])).toMatchObject({
        message: expect.stringContaining('written as :name'),
      });
  });

  it('are told by name when a statement is compiled, once each', () => {
    expect(engine.compile('SELECT :a, :b, :a', [text('a', ''), text('b', '')])).toMatchObject({
      parameters: ['a', 'b'],
    });
    expect(engine.compile('SELECT :a')).toMatchObject({ ok: false, code: 'sql_error' });
  });

  it('are bound in a reduce statement too', async () => {
    const reducer = await createReducer({ form: 'raw', columns: ['n'] });
    const result = reducer.run('SELECT :a AS a', {}, [text('a', "it's")]);
    expect(result.ok && decodeRows(result.rows, 1)).toEqual([["it's"]]);
    expect(reducer.run('SELECT :a AS a')).toMatchObject({ ok: false, code: 'sql_error' });
    reducer.close();
  });
});
