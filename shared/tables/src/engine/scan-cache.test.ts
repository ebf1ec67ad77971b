import { afterEach, describe, expect, it } from '@jest/globals';
import { decodeRows, type SqlValue } from '@muster/protocol';
import type { TableSpec } from '../schema/table-spec.js';
import type { CollectRequest, TableRow } from './collect.js';
import { createSqlEngine, type SqlEngine } from './sql-engine.js';

const TABLES: readonly TableSpec[] = [
  {
    name: 'people',
    description: '',
    platforms: [],
    columns: [
      { name: 'uid', type: 'BIGINT', description: '', pushdown: ['='] },
      { name: 'name', type: 'TEXT', description: '' },
      { name: 'mail', type: 'TEXT', description: '', collate: 'NOCASE' },
    ],
  },
  {
    name: 'members',
    description: '',
    platforms: [],
    columns: [
      { name: 'uid', type: 'BIGINT', description: '', pushdown: ['='] },
      { name: 'gid', type: 'BIGINT', description: '' },
    ],
  },
  {
    name: 'folder',
    description: '',
    platforms: [],
    columns: [
      { name: 'place', type: 'TEXT', description: '', pushdown: ['='], source: true },
      { name: 'entry', type: 'TEXT', description: '' },
    ],
  },
];

const PEOPLE = 2_000;

describe('a table that is scanned again and again', () => {
  let engine: SqlEngine;
  let reads: Record<string, number>;
  let read: number;

  async function open(rows: (table: string, request: CollectRequest) => Iterable<TableRow> = rowsOf): Promise<void> {
    reads = {};
    read = 0;
    const collect = (table: string, request: CollectRequest): Iterable<TableRow> => {
      reads[table] = (reads[table] ?? 0) + 1;
      return rows(table, request);
    };
    engine = await createSqlEngine({ tables: TABLES, provider: { has: () => true, collect } });
  }

  function* rowsOf(table: string, request: CollectRequest): Iterable<TableRow> {
    const wanted = request.equal('uid');
    for (let uid = 0; uid < PEOPLE; uid += 1) {
      read += 1;
      if (wanted !== undefined && !wanted.includes(uid)) continue;
      if (table === 'people') yield { uid, name: `n${uid}`, mail: `M${uid}@x` };
      else yield { uid, gid: uid % 7 };
    }
  }

  function run(sql: string): SqlValue[][] {
    let columns = 0;
    const chunks: Uint8Array[] = [];
    const result = engine.execute(sql, {
      // On a busy machine the usual time may not be enough.
      limits: { ms: 120_000 },
      onColumns: (names) => void (columns = names.length),
      onRows: (chunk) => void chunks.push(chunk),
    });
    expect(result).toMatchObject({ ok: true });
    return chunks.flatMap((chunk) => decodeRows(chunk, columns));
  }

  afterEach(() => engine.close());

  it('is read a few times for thousands of outer rows, whether the collector can look up the column or not', async () => {
    await open();
    expect(run('SELECT count(*) FROM people p JOIN members m ON m.uid = p.uid')).toEqual([[PEOPLE]]);
    expect((reads.people ?? 0) + (reads.members ?? 0)).toBeLessThan(15);
    expect(read).toBeLessThan(PEOPLE * 15);
    expect(run("SELECT count(*) FROM members m JOIN people p ON p.name = 'n' || m.uid")).toEqual([[PEOPLE]]);
    expect(run('SELECT count(*) FROM people a JOIN people b ON lower(a.mail) = b.mail')).toEqual([[PEOPLE]]);
  });

  it('gives what a plain comparison gives, whatever the types of the two sides are', async () => {
    const cells = [1, 1n, 2, -1, true, '1', null, undefined, 9_007_199_254_740_993n, 1.5, new Uint8Array([49])];
    await open((table) =>
      table === 'people'
        ? cells.flatMap((cell, i) => [
            { uid: cell, name: `${i}` },
            { uid: i, name: cell },
          ])
        : cells.map((cell) => ({ uid: cell, gid: cell })),
    );
    for (const on of ['m.gid = p.uid', 'm.gid = p.name', 'p.name = m.uid', 'm.uid IS p.uid', 'm.gid = p.uid + 0']) {
      // SQLite cannot hand a comparison within CASE to the table.
      const joined = run(`SELECT p.name, p.uid, m.gid FROM people p JOIN members m ON ${on}`);
      const all = run(
        `SELECT p.name, p.uid, m.gid FROM people p JOIN members m WHERE CASE WHEN ${on} THEN 1 ELSE 0 END`,
      );
      expect(sorted(joined)).toEqual(sorted(all));
    }
  });

  it('an equality that says where to read is asked for each value', async () => {
    await open((table, request) => {
      const place = request.equal('place')?.[0];
      if (table === 'folder') return place === undefined ? [] : [{ place, entry: `in ${String(place)}` }];
      return rowsOf(table, request);
    });
    expect(run('SELECT count(*) FROM people p JOIN folder f ON f.place = p.name')).toEqual([[PEOPLE]]);
    expect(reads.folder).toBeGreaterThanOrEqual(PEOPLE);
  });

  it('of such places only some are kept, so that a search of a whole disk has room', async () => {
    const places = 5_000;
    await open((_table, request) => {
      const place = request.equal('place')?.[0];
      return place === undefined ? [] : [{ place, entry: 'x' }];
    });
    const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${places})`;
    const once = `SELECT count(*) AS c FROM n JOIN folder f ON f.place = 'p' || n.i`;
    expect(run(`${numbers} SELECT sum(c) FROM (${once} UNION ALL ${once})`)).toEqual([[2 * places]]);
    expect(reads.folder).toBeGreaterThan(2 * places - 3_000);
    expect(reads.folder).toBeLessThan(2 * places - 1_000);
  });

  it('is read once for both sides of an OR, and once for a list', async () => {
    await open();
    expect(run("SELECT uid FROM people WHERE name = 'n3' OR mail = 'm4@x'")).toEqual([[3], [4]]);
    expect(reads.people).toBe(1);
    expect(run("SELECT uid FROM people WHERE name IN ('n3', 'n4', 'n5')")).toEqual([[3], [4], [5]]);
    expect(reads.people).toBe(2);
  });

  it('goes on streaming where it is too large to be kept', async () => {
    await open(function* (table) {
      if (table === 'people') for (let uid = 0; uid < 3; uid += 1) yield { uid, name: 'n' };
      else for (let i = 0; i < 201_000; i += 1) yield { uid: i % 3, gid: 1 };
    });
    expect(run('SELECT count(*) FROM people p CROSS JOIN members m WHERE m.gid = p.uid')).toEqual([[201_000]]);
  });
});

const text = (value: SqlValue): string => `${typeof value} ${String(value)}`;
const sorted = (rows: SqlValue[][]): string[] => rows.map((row) => row.map(text).join('|')).sort();
