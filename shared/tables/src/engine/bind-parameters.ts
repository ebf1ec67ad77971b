import type { SqlParameter } from '@muster/protocol';
import { compileFailure, findParameter, type CompileFailure, positionAt } from './sql-text.js';
import { RESULT, type SqliteModule, SQLITE_TRANSIENT } from './sqlite-module.js';

/** The names of a statement's parameters, without the colon, in the order in which they appear. */
export function parameterNames(sqlite: SqliteModule, stmt: number): string[] {
  const { c } = sqlite;
  return Array.from({ length: c.sqlite3_bind_parameter_count(stmt) }, (_, index) =>
    sqlite.text(c.sqlite3_bind_parameter_name(stmt, index + 1)).slice(1),
  );
}

/**
 * Gives each `:name` of a compiled statement its value. Values never become text of the statement. Returns why it cannot be: a parameter
 * of another form, or one without a value. Values for names that the statement does not have are left alone.
 */
export function bindParameters(
  sqlite: SqliteModule,
  stmt: number,
  sql: string,
  parameters: readonly SqlParameter[],
): CompileFailure | undefined {
  const { c } = sqlite;
  const count = c.sqlite3_bind_parameter_count(stmt);
  for (let index = 1; index <= count; index += 1) {
    const marker = sqlite.text(c.sqlite3_bind_parameter_name(stmt, index));
    if (!marker.startsWith(':')) {
      const message = `a parameter is written as :name, not as ${marker === '' ? '?' : marker}`;
      return compileFailure('sql_error', message, markerPosition(sql, marker === '' ? '?' : marker));
    }
    const given = parameters.find(({ name }) => name === marker.slice(1));
    if (given === undefined) {
      const message = `nothing gives the parameter ${marker} a value`;
      return compileFailure('sql_error', message, markerPosition(sql, marker));
    }
    const code = bindOne(sqlite, stmt, index, given);
    if (code !== RESULT.ok)
      return compileFailure('sql_error', `the value of ${marker} cannot be bound (SQLite code ${code})`);
  }
  return undefined;
}

function markerPosition(sql: string, marker: string): ReturnType<typeof positionAt> | undefined {
  const index = findParameter(sql, marker);
  return index < 0 ? undefined : positionAt(sql, index);
}

function bindOne(sqlite: SqliteModule, stmt: number, index: number, { type, value }: SqlParameter): number {
  const { c } = sqlite;
  switch (type) {
    case 'text': {
      const bytes = Buffer.from(String(value));
      return c.sqlite3_bind_text(stmt, index, copy(sqlite, bytes), bytes.length, SQLITE_TRANSIENT);
    }
    case 'blob': {
      const bytes = value instanceof Uint8Array ? value : new Uint8Array();
      return c.sqlite3_bind_blob(stmt, index, copy(sqlite, bytes), bytes.length, SQLITE_TRANSIENT);
    }
    case 'integer':
      return c.sqlite3_bind_int64(stmt, index, BigInt.asIntN(64, BigInt(value as number | bigint)));
    case 'number':
      return c.sqlite3_bind_double(stmt, index, Number(value));
    case 'null':
      return c.sqlite3_bind_null(stmt, index);
  }
}

function copy(sqlite: SqliteModule, bytes: Uint8Array): number {
  const pointer = sqlite.scratch(bytes.length);
  sqlite.bytes().set(bytes, pointer);
  return pointer;
}
