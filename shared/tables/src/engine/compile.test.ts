import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FIXTURE_TABLES } from './engine-fixture.js';
import { createSqlEngine, type SqlEngine } from './sql-engine.js';

describe('compiling a statement', () => {
  let engine: SqlEngine;
  beforeAll(async () => {
    engine = await createSqlEngine({ tables: FIXTURE_TABLES });
  });
  afterAll(() => engine.close());

  it('reports result columns and tables', () => {
    expect(
      engine.compile('SELECT p.pid, p.name AS n, 1 + 1 FROM processes p JOIN file f ON f.path = p.path; -- done\n ;'),
    ).toEqual({
      ok: true,
      columns: [{ name: 'pid', type: 'BIGINT' }, { name: 'n', type: 'TEXT' }, { name: '1 + 1' }],
      tables: ['file', 'processes'],
      parameters: [],
    });
    expect(engine.compile('SELECT * FROM processes')).toMatchObject({
      columns: ['pid', 'name', 'path', 'cpu', 'raw'].map((name) => expect.objectContaining({ name })),
    });
  });

  it.each([
    'WITH p AS (SELECT pid FROM processes) SELECT count(*) FROM p',
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n',
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT value FROM json_each('[1,2]')",
    "/* c */ SELECT 'a;b' -- ;",
    "SELECT * FROM file WHERE path = '/etc/passwd'",
    "SELECT * FROM file WHERE path IN ('/a', '/b')",
    "SELECT * FROM file WHERE path LIKE '/etc/%'",
    "SELECT * FROM file WHERE path LIKE '/etc/100\\%%' ESCAPE '\\'",
    'SELECT * FROM file WHERE path = "/etc/passwd"',
    'SELECT pid FROM processes WHERE name = "sh"',
    "SELECT * FROM file WHERE path = '/a' OR directory = '/b'",
    'SELECT * FROM file WHERE path = (SELECT path FROM processes WHERE pid = 1)',
  ])('accepts %s', (sql) => {
    expect(engine.compile(sql)).toMatchObject({ ok: true });
  });

  it.each([
    ['SELEC 1', 'sql_error', { offset: 0, line: 1, column: 1 }],
    ['SELECT nme FROM processes', 'sql_error', { offset: 7, line: 1, column: 8 }],
    ["SELECT '😀é',\n  nope FROM processes", 'sql_error', { offset: 15, line: 2, column: 3 }],
    ["SELECT 'nope' FROM nope", 'sql_error', { offset: 19, line: 1, column: 20 }],
    ['SELECT 1 FROM', 'sql_error', { offset: 13, line: 1, column: 14 }],
    ['SELECT 1; SELECT 2', 'many_statements', { offset: 10, line: 1, column: 11 }],
    ['SELECT 1; -- x\n DROP TABLE y', 'many_statements', { offset: 16, line: 2, column: 2 }],
    ['SELECT 1\0', 'sql_error', { offset: 8, line: 1, column: 9 }],
    ['SELECT * FROM dbstat', 'forbidden', { offset: 14, line: 1, column: 15 }],
    ['EXPLAIN SELECT 1', 'not_select', { offset: 0, line: 1, column: 1 }],
  ])('rejects %j as %s with its position', (sql, code, position) => {
    expect(engine.compile(sql)).toMatchObject({ ok: false, code, position });
  });

  it.each([
    ['', 'not_select'],
    ['-- nothing', 'not_select'],
    ['PRAGMA user_version', 'not_select'],
    ["ATTACH 'x.db' AS x", 'not_select'],
    ['CREATE TABLE t(a)', 'not_select'],
    ['DELETE FROM processes', 'not_select'],
    ['INSERT INTO processes(pid) VALUES (1)', 'not_select'],
    ['BEGIN', 'not_select'],
    ['VACUUM', 'not_select'],
    ["VACUUM INTO '/tmp/x'", 'not_select'],
    ["SELECT * FROM pragma_table_info('x')", 'forbidden'],
    ['SELECT * FROM sqlite_stmt', 'forbidden'],
    ['SELECT count(*) FROM sqlite_master', 'forbidden'],
    ['SELECT name FROM SQLITE_SCHEMA', 'forbidden'],
    ['SELECT name FROM sqlite_temp_master', 'forbidden'],
    ['SELECT ?1', 'sql_error'],
    ["SELECT load_extension('x')", 'sql_error'],
    ['SELECT * FROM file', 'missing_constraint'],
    ["SELECT * FROM file WHERE path > '/etc'", 'missing_constraint'],
    ["SELECT * FROM file WHERE path = '/A' COLLATE NOCASE", 'missing_constraint'],
    ["SELECT * FROM file WHERE path = '/a' OR size = 1", 'missing_constraint'],
    ["SELECT * FROM file WHERE path NOT LIKE '/a\\%' ESCAPE '\\'", 'missing_constraint'],
    ["SELECT * FROM file WHERE path || 'x' LIKE '/a\\%' ESCAPE '\\'", 'missing_constraint'],
    ["SELECT * FROM file WHERE size BETWEEN 1 AND path LIKE '/a\\%' ESCAPE '\\'", 'missing_constraint'],
    [`SELECT '${'x'.repeat(70_000)}'`, 'too_long'],
  ])('rejects %.40s as %s', (sql, code) => {
    expect(engine.compile(sql)).toMatchObject({ ok: false, code });
  });

  it('distinguishes a subquery from a table of the same name', () => {
    expect(engine.compile('WITH registry AS (SELECT 1) SELECT count(*) FROM registry')).toMatchObject({ tables: [] });
    expect(engine.compile('SELECT count(*) FROM registry')).toMatchObject({ tables: ['registry'] });
  });

  it('reports the missing constraint', () => {
    expect(engine.compile('SELECT * FROM file WHERE size > 3')).toMatchObject({
      message: 'table file needs a constraint in WHERE: path = … or LIKE …, or directory = …',
    });
  });
});
