import type { SqlValue } from '@muster/protocol';
import type { ColumnType } from '../schema/table-spec.js';
import type { Cell } from './collect.js';
import { type SqliteModule, SQLITE_TRANSIENT, TYPE } from './sqlite-module.js';

const encoder = new TextEncoder();

/** Reads an `sqlite3_value`. Integers are numbers where a double is exact, otherwise `bigint`. */
export function readValue(sqlite: SqliteModule, value: number): SqlValue {
  const { c } = sqlite;
  switch (c.sqlite3_value_type(value)) {
    case TYPE.integer: {
      const integer = c.sqlite3_value_int64(value);
      const number = Number(integer);
      return Number.isSafeInteger(number) ? number : integer;
    }
    case TYPE.float:
      return c.sqlite3_value_double(value);
    case TYPE.text: {
      const pointer = c.sqlite3_value_text(value);
      return sqlite.text(pointer, c.sqlite3_value_bytes(value));
    }
    case TYPE.blob: {
      const pointer = c.sqlite3_value_blob(value);
      return sqlite.bytes().slice(pointer, pointer + c.sqlite3_value_bytes(value));
    }
    default:
      return null;
  }
}

/** Like `readValue`, but numbers as the text that SQLite makes of them. */
export function readTextOrBytes(sqlite: SqliteModule, value: number): SqlValue {
  const { c } = sqlite;
  const type = c.sqlite3_value_type(value);
  if (type === TYPE.null || type === TYPE.blob) return readValue(sqlite, value);
  const pointer = c.sqlite3_value_text(value);
  return sqlite.text(pointer, c.sqlite3_value_bytes(value));
}

/** Passes a result of any type to SQLite. Text may contain NUL. */
export function writeResult(sqlite: SqliteModule, context: number, value: Cell): void {
  const { c } = sqlite;
  switch (typeof value) {
    case 'string':
      writeText(sqlite, context, value);
      return;
    case 'number':
      writeNumber(sqlite, context, value);
      return;
    case 'bigint':
      c.sqlite3_result_int64(context, BigInt.asIntN(64, value));
      return;
    case 'boolean':
      c.sqlite3_result_int(context, value ? 1 : 0);
      return;
    case 'object':
      if (value !== null) writeBytes(sqlite, context, value);
      else c.sqlite3_result_null(context);
      return;
    default:
      c.sqlite3_result_null(context);
  }
}

/** Like `writeResult`, but with the declared type of the column: a REAL 1.0 stays REAL, a count stays INTEGER. */
export function writeCell(sqlite: SqliteModule, context: number, value: Cell, type: ColumnType): void {
  if (typeof value === 'number') {
    if (type === 'DOUBLE') sqlite.c.sqlite3_result_double(context, value);
    else if (type === 'TEXT') writeText(sqlite, context, String(value));
    else writeNumber(sqlite, context, type === 'BLOB' ? value : Math.trunc(value));
    return;
  }
  writeResult(sqlite, context, value);
}

function writeNumber(sqlite: SqliteModule, context: number, value: number): void {
  if ((value | 0) === value) sqlite.c.sqlite3_result_int(context, value);
  else if (Number.isSafeInteger(value)) sqlite.c.sqlite3_result_int64(context, BigInt(value));
  else sqlite.c.sqlite3_result_double(context, value);
}

function writeText(sqlite: SqliteModule, context: number, text: string): void {
  const room = text.length * 3;
  const pointer = sqlite.scratch(room);
  const { written } = encoder.encodeInto(text, sqlite.bytes().subarray(pointer, pointer + room));
  sqlite.c.sqlite3_result_text(context, pointer, written, SQLITE_TRANSIENT);
}

function writeBytes(sqlite: SqliteModule, context: number, bytes: Uint8Array): void {
  const pointer = sqlite.scratch(bytes.length);
  sqlite.bytes().set(bytes, pointer);
  sqlite.c.sqlite3_result_blob(context, pointer, bytes.length, SQLITE_TRANSIENT);
}
