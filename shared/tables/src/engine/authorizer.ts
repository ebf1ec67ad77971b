/** Action codes that SQLite passes to an authorizer (sqlite3.h). */
const ACTION = { read: 20, select: 21, function: 31, recursive: 33 } as const;

const ACTION_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'CREATE INDEX'],
  [2, 'CREATE TABLE'],
  [3, 'CREATE INDEX'],
  [4, 'CREATE TABLE'],
  [5, 'CREATE TRIGGER'],
  [6, 'CREATE VIEW'],
  [7, 'CREATE TRIGGER'],
  [8, 'CREATE VIEW'],
  [9, 'DELETE'],
  [10, 'DROP INDEX'],
  [11, 'DROP TABLE'],
  [12, 'DROP INDEX'],
  [13, 'DROP TABLE'],
  [14, 'DROP TRIGGER'],
  [15, 'DROP VIEW'],
  [16, 'DROP TRIGGER'],
  [17, 'DROP VIEW'],
  [18, 'INSERT'],
  [19, 'PRAGMA'],
  [22, 'BEGIN, COMMIT or ROLLBACK'],
  [23, 'UPDATE'],
  [24, 'ATTACH'],
  [25, 'DETACH'],
  [26, 'ALTER TABLE'],
  [27, 'REINDEX'],
  [28, 'ANALYZE'],
  [29, 'CREATE VIRTUAL TABLE'],
  [30, 'DROP VIRTUAL TABLE'],
  [32, 'SAVEPOINT'],
]);

/** Table-valued functions of SQLite that look like internal tables. */
const HARMLESS_TABLES: ReadonlySet<string> = new Set(['json_each', 'json_tree']);
/** They would say how the engine keeps the tables here, which is nothing that a question is about. */
const SCHEMA_TABLE = /^sqlite_(temp_)?(master|schema)$/i;
const INTERNAL_TABLE = /^(sqlite_|pragma_|dbstat$|bytecode$|tables_used$|fts\d|rtree)/i;
const FORBIDDEN_FUNCTION = /^(load_extension|sqlite_log|readfile|writefile|edit|fts\d.*|rtree.*)$/i;

/** Something that the statement is not allowed to use. */
export interface Denial {
  /** `not_select`: the statement is not a SELECT. `forbidden`: it uses something that no SELECT may use here. */
  readonly code: 'not_select' | 'forbidden';
  readonly message: string;
  /** The word in the statement that was denied, if there is one. */
  readonly word?: string;
}

/**
 * Decides one action of a statement during its compilation. Only reading known tables and calling functions is allowed.
 * `known` tells whether a table is in the catalogue. Subqueries and common table expressions appear here by their names
 * too.
 */
export function authorize(
  action: number,
  first: string,
  second: string,
  known: (table: string) => boolean,
): Denial | undefined {
  switch (action) {
    case ACTION.select:
    case ACTION.recursive:
      return undefined;
    case ACTION.read:
      if (known(first) || HARMLESS_TABLES.has(first.toLowerCase()) || !INTERNAL_TABLE.test(first)) return undefined;
      return {
        code: 'forbidden',
        message: SCHEMA_TABLE.test(first)
          ? `no endpoint is asked for ${first}: \`muster tables\` and GET /v1/tables list the tables and their columns`
          : `table ${first} is internal to the engine`,
        word: first,
      };
    case ACTION.function:
      // SQLite passes the function's name as the second argument.
      if (!FORBIDDEN_FUNCTION.test(second)) return undefined;
      return { code: 'forbidden', message: `function ${second} is not allowed`, word: second };
    default: {
      const name = ACTION_NAMES.get(action) ?? `action ${action}`;
      return { code: 'not_select', message: `only one read-only SELECT is allowed, this is ${name}` };
    }
  }
}
