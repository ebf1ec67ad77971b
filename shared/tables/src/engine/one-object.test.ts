import { afterEach, describe, expect, it } from '@jest/globals';
import { decodeRows, type SqlValue } from '@muster/protocol';
import { type CollectRequest, lazy, type TableRow, TableUnavailable } from './collect.js';
import { FIXTURE_TABLES, FixtureProvider } from './engine-fixture.js';
import { createSqlEngine, type ExecuteResult, type SqlEngine } from './sql-engine.js';

let engine: SqlEngine;
let provider: FixtureProvider;

async function open(rows: (table: string, request: CollectRequest) => Iterable<TableRow>): Promise<void> {
  provider = new FixtureProvider(rows);
  engine = await createSqlEngine({ tables: FIXTURE_TABLES, provider, platform: 'linux' });
}

function run(sql: string): { result: ExecuteResult; rows: SqlValue[][] } {
  let columns = 0;
  const chunks: Uint8Array[] = [];
  const result = engine.execute(sql, {
    // Of bytes and rows, and not of how busy the machine is.
    limits: { ms: 120_000 },
    onColumns: (names) => void (columns = names.length),
    onRows: (chunk) => void chunks.push(chunk),
  });
  return { result, rows: chunks.flatMap((chunk) => decodeRows(chunk, columns)) };
}

afterEach(() => engine.close());

describe('one object does not cost the answer', () => {
  const warningsOf = (result: ExecuteResult) => (result.ok ? result.warnings : result);

  it('a long text is cut at a character, and the answer says so', async () => {
    await open(() => [
      { pid: 1, name: 'first' },
      { pid: 2, name: 'é'.repeat(850_000) },
      { pid: 3, name: 'last' },
    ]);
    const { result, rows } = run('SELECT pid, name FROM processes');
    expect(rows).toEqual([
      [1, 'first'],
      [2, 'é'.repeat(32_768)],
      [3, 'last'],
    ]);
    const message = 'name has 1700000 bytes, of which 65536 are in the answer';
    expect(warningsOf(result)).toEqual([{ code: 'cut', count: 1, message }]);
  });

  it('a thousand long texts leave room for the others', async () => {
    await open(function* () {
      for (let pid = 0; pid < 1_000; pid += 1) yield { pid, name: `${pid} ${'x'.repeat(200_000)}` };
      yield { pid: -1, name: 'last' };
    });
    const { result, rows } = run('SELECT pid, name FROM processes');
    expect(rows).toHaveLength(1_001);
    expect(rows.at(-1)).toEqual([-1, 'last']);
    expect(result).toMatchObject({ ok: true, warnings: [{ code: 'cut' }] });
  });

  it('a text of 64 KiB is whole, and so is one that is asked for twice', async () => {
    const name = 'y'.repeat(65_536);
    await open(() => [{ pid: 1, name }]);
    const { result, rows } = run("SELECT name, length(name), name FROM processes WHERE name LIKE 'y%' AND name <> ''");
    expect(rows).toEqual([[name, 65_536, name]]);
    expect(warningsOf(result)).toEqual([]);
  });

  it('a costly cell is made once, and only for rows that the other comparisons leave', async () => {
    const made: number[] = [];
    await open(() =>
      [1, 2, 3].map((pid) => ({
        pid,
        path: `/${pid}`,
        name: lazy(() => {
          made.push(pid);
          return `hash ${pid}`;
        }),
      })),
    );
    expect(run("SELECT name, name FROM processes WHERE path NOT LIKE '%2'").rows).toEqual([
      ['hash 1', 'hash 1'],
      ['hash 3', 'hash 3'],
    ]);
    expect(made).toEqual([1, 3]);
    made.length = 0;
    expect(run("SELECT path FROM processes WHERE pid = 1 OR path = '/2'").rows).toEqual([['/1'], ['/2']]);
    expect(made).toEqual([]);
  });

  it('what collectors say is counted by its reason, each object once', async () => {
    await open((_table, request) => {
      request.warn('unreadable', '/a');
      request.warn('unreadable', '/b');
      request.warn('too_slow', '/c');
      return [{ pid: 1 }];
    });
    const { result } = run('SELECT a.pid FROM processes a JOIN processes b JOIN processes c');
    expect(warningsOf(result)).toEqual([
      { code: 'unreadable', count: 2, message: '/a' },
      { code: 'too_slow', count: 1, message: '/c' },
    ]);
    expect(run('SELECT 1').result).toMatchObject({ ok: true, warnings: [] });
  });

  it('a table without a source is no empty answer', async () => {
    await open(function* (table) {
      if (table === 'processes') throw new TableUnavailable('processes: nobody records them');
      yield { pid: 1 };
    });
    expect(run('SELECT count(*) FROM processes').result).toEqual({
      ...{ ok: false, code: 'unavailable', message: 'processes: nobody records them' },
    });
  });
});
