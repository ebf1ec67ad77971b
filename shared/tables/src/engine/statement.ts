import { type CompileFailure, checkSqlText, compileFailure, findWord, indexOfByte, positionAt } from './sql-text.js';
import type { Denial } from './authorizer.js';
import { RESULT, type SqliteModule } from './sqlite-module.js';

/** A result column. Names may repeat. The type is known when the value comes unchanged from a table. */
export interface ResultColumn {
  readonly name: string;
  readonly type?: string;
}

/** What was recorded while a statement was compiled. */
export interface CompileRecord {
  denial(): Denial | undefined;
  missingConstraint(): string | undefined;
}

interface Piece {
  /** 0 for only white space and comments. */
  readonly stmt: number;
  readonly code: number;
  /** Byte offset after the compiled text. */
  readonly end: number;
  readonly errorOffset: number;
  readonly message: string;
}

export interface PreparedSelect {
  readonly ok: true;
  readonly stmt: number;
}

/** Compiles the single statement in `sql`. On success the caller must finalize the statement. */
export function prepareSelect(
  sqlite: SqliteModule,
  db: number,
  sql: string,
  record: CompileRecord,
): PreparedSelect | CompileFailure {
  const refused = checkSqlText(sql);
  if (refused !== undefined) return refused;
  return sqlite.withCString(sql, (text) => {
    const bytes = Buffer.byteLength(sql);
    let found = 0;
    for (let at = 0; at < bytes;) {
      const piece = preparePiece(sqlite, db, text, at, bytes);
      if (found !== 0 && (piece.stmt !== 0 || piece.code !== RESULT.ok)) {
        sqlite.c.sqlite3_finalize(piece.stmt);
        sqlite.c.sqlite3_finalize(found);
        return compileFailure('many_statements', 'only one statement is allowed', secondStatement(sql, at));
      }
      if (piece.code !== RESULT.ok) return explain(sql, at, piece, record);
      if (piece.stmt !== 0) found = piece.stmt;
      at = piece.end > at ? piece.end : bytes;
    }
    if (found === 0) return compileFailure('not_select', 'the statement is empty');
    const fault = checkStatement(sqlite, found, sql);
    if (fault === undefined) return { ok: true as const, stmt: found };
    sqlite.c.sqlite3_finalize(found);
    return fault;
  });
}

function preparePiece(sqlite: SqliteModule, db: number, text: number, at: number, bytes: number): Piece {
  const { c } = sqlite;
  const out = sqlite.malloc(8);
  try {
    const code = c.sqlite3_prepare_v3(db, text + at, bytes - at + 1, 0, out, out + 4);
    const view = sqlite.view();
    const stmt = view.getUint32(out, true);
    const end = view.getUint32(out + 4, true) - text;
    if (code === RESULT.ok) return { stmt, code, end, errorOffset: -1, message: '' };
    const errorOffset = c.sqlite3_error_offset(db);
    return { stmt: 0, code: code & 0xff, end, errorOffset, message: sqlite.text(c.sqlite3_errmsg(db)) };
  } finally {
    c.sqlite3_free(out);
  }
}

function explain(sql: string, at: number, piece: Piece, record: CompileRecord): CompileFailure {
  const denial = record.denial();
  if (denial !== undefined && piece.code === RESULT.auth) {
    const word = denial.word === undefined ? -1 : findWord(sql, denial.word);
    return compileFailure(denial.code, denial.message, word < 0 ? undefined : positionAt(sql, word));
  }
  if (piece.message === 'no query solution') {
    return compileFailure('missing_constraint', record.missingConstraint() ?? piece.message);
  }
  // SQLite rejects writes to virtual tables before it calls the authorizer.
  if (piece.message.endsWith('may not be modified')) {
    return compileFailure('not_select', 'only one read-only SELECT is allowed');
  }
  if (piece.message === 'Recursion limit') return compileFailure('sql_error', 'the statement nests too deep');
  const index = piece.errorOffset >= 0 ? indexOfByte(sql, at + piece.errorOffset) : guessIndex(sql, piece.message);
  return compileFailure('sql_error', piece.message, index < 0 ? undefined : positionAt(sql, index));
}

/** For messages without an offset: finds the name that the message contains. */
function guessIndex(sql: string, message: string): number {
  if (message === 'incomplete input') return sql.trimEnd().length;
  const name = /^no such table: (?:.*\.)?(.+)$/.exec(message)?.[1];
  return name === undefined ? -1 : findWord(sql, name);
}

/** Position of the first word after the first statement. */
function secondStatement(sql: string, at: number): ReturnType<typeof positionAt> {
  const index = indexOfByte(sql, at);
  const rest = /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/.exec(sql.slice(index));
  return positionAt(sql, index + (rest?.[0].length ?? 0));
}

function checkStatement(sqlite: SqliteModule, stmt: number, sql: string): CompileFailure | undefined {
  const { c } = sqlite;
  if (c.sqlite3_stmt_isexplain(stmt) !== 0) {
    return compileFailure(
      'not_select',
      'only one read-only SELECT is allowed, this is EXPLAIN',
      positionAt(sql, findWord(sql, 'explain')),
    );
  }
  if (c.sqlite3_stmt_readonly(stmt) === 0 || c.sqlite3_column_count(stmt) === 0) {
    return compileFailure('not_select', 'only one read-only SELECT is allowed');
  }
  return undefined;
}

/** Names and declared types of the result columns. */
export function resultColumns(sqlite: SqliteModule, stmt: number): ResultColumn[] {
  const { c } = sqlite;
  return Array.from({ length: c.sqlite3_column_count(stmt) }, (_, index) => {
    const name = sqlite.text(c.sqlite3_column_name(stmt, index));
    const type = sqlite.text(c.sqlite3_column_decltype(stmt, index));
    return type === '' ? { name } : { name, type };
  });
}
