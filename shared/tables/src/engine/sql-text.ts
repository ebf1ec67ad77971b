import { LIMITS } from '@muster/protocol/limits';

/** Why a statement was rejected before it ran. */
export type CompileFailureCode =
  'sql_error' | 'not_select' | 'many_statements' | 'missing_constraint' | 'forbidden' | 'too_long';

/** A position in a statement. `offset` counts Unicode code points; `line` and `column` start at 1. */
export interface SqlPosition {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

export interface CompileFailure {
  readonly ok: false;
  readonly code: CompileFailureCode;
  readonly message: string;
  /** Missing when the error has no single position. */
  readonly position?: SqlPosition;
}

export function compileFailure(code: CompileFailureCode, message: string, position?: SqlPosition): CompileFailure {
  return position === undefined ? { ok: false, code, message } : { ok: false, code, message, position };
}

/** Rejects a text that is too long, or contains NUL, where SQLite would silently stop reading. */
export function checkSqlText(sql: string): CompileFailure | undefined {
  const bytes = Buffer.byteLength(sql);
  if (bytes > LIMITS.sqlBytes) {
    return compileFailure('too_long', `the statement has ${bytes} bytes, ${LIMITS.sqlBytes} are allowed`);
  }
  const nul = sql.indexOf('\0');
  if (nul >= 0) return compileFailure('sql_error', 'the statement holds a NUL character', positionAt(sql, nul));
  return undefined;
}

/** Converts a UTF-16 index to a position. */
export function positionAt(sql: string, index: number): SqlPosition {
  const before = Array.from(sql.slice(0, index));
  const lastBreak = before.lastIndexOf('\n');
  return {
    offset: before.length,
    line: before.filter((one) => one === '\n').length + 1,
    column: before.length - lastBreak,
  };
}

/** Converts a byte offset in UTF-8 to a UTF-16 index. */
export function indexOfByte(sql: string, byte: number): number {
  return Buffer.from(sql).subarray(0, byte).toString().length;
}

/** Matches one token, to find words outside of strings and comments. Quoted names count as words. */
const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\p{L}_][\p{L}\p{N}_$]*|[^\s]/gu;

/** The tokens of a statement, comments included. */
export function* sqlTokens(sql: string): Generator<{ readonly text: string; readonly index: number }> {
  for (const match of sql.matchAll(TOKEN)) yield { text: match[0], index: match.index };
}

/** UTF-16 index of the first token that equals `word`, ignoring case and quotes. -1 when there is none. */
export function findWord(sql: string, word: string): number {
  const wanted = word.toLowerCase();
  for (const { text, index } of sqlTokens(sql)) {
    const token = text.toLowerCase();
    const quoted = /^["`[]/.test(token) && token.slice(1, -1) === wanted;
    if (token === wanted || quoted) return index;
  }
  return -1;
}

/** UTF-16 index of the first parameter that is written so (`:name`, `?`), outside of strings and comments. -1 when there is none. */
export function findParameter(sql: string, marker: string): number {
  let before: { readonly text: string; readonly index: number } | undefined;
  for (const token of sqlTokens(sql)) {
    const isSplit = before !== undefined && before.index + 1 === token.index && before.text + token.text === marker;
    if (isSplit) return (before as typeof token).index;
    if (token.text === marker) return token.index;
    before = token;
  }
  return -1;
}
