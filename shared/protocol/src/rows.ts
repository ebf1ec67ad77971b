import { decodeCbor } from './cbor.js';
import { head, MAJOR_ARRAY, readHead, skipValue } from './value-walk.js';

/** One SQL value: the five storage classes of SQLite; integers beyond 2^53 are `bigint`. */
export type SqlValue = null | number | bigint | string | Uint8Array;

/** The offset after the row (CBOR array of exactly `columns` SQL values) that starts at `at`; -1 when there is no such row. */
export function skipRow(bytes: Uint8Array, at: number, columns: number): number {
  if (!readHead(bytes, at) || head.major !== MAJOR_ARRAY || head.argument !== columns) return -1;
  let position = head.next;
  for (let i = 0; i < columns && position >= 0; i += 1) position = skipValue(bytes, position);
  return position;
}

/**
 * How many rows a CBOR sequence (RFC 8742) of rows holds, from one offset to before another; -1 when any of it is malformed or has another
 * number of columns.
 */
export function countRows(bytes: Uint8Array, columns: number, from = 0, to = bytes.length): number {
  let count = 0;
  for (let at = from; at < to; count += 1) {
    at = skipRow(bytes, at, columns);
    if (at < 0 || at > to) return -1;
  }
  return count;
}

/** How many rows a sequence holds and how many bytes the longest has; `undefined` when any of it is malformed. */
export function measureRows(bytes: Uint8Array, columns: number): { count: number; longest: number } | undefined {
  let count = 0;
  let longest = 0;
  for (let at = 0; at < bytes.length; count += 1) {
    const end = skipRow(bytes, at, columns);
    if (end < 0) return undefined;
    if (end - at > longest) longest = end - at;
    at = end;
  }
  return { count, longest };
}

/** Calls `visit` with the bounds of each row of a sequence that `countRows` accepted. */
export function forEachRow(bytes: Uint8Array, columns: number, visit: (start: number, end: number) => void): void {
  for (let at = 0; at < bytes.length;) {
    const end = skipRow(bytes, at, columns);
    if (end < 0) return;
    visit(at, end);
    at = end;
  }
}

/** Decodes one row. Throws on malformed bytes. */
export function decodeRow(bytes: Uint8Array): SqlValue[] {
  return decodeCbor(bytes) as SqlValue[];
}

/** Decodes a whole sequence of rows of `columns` values each. */
export function decodeRows(bytes: Uint8Array, columns: number): SqlValue[][] {
  const rows: SqlValue[][] = [];
  forEachRow(bytes, columns, (start, end) => rows.push(decodeRow(bytes.subarray(start, end))));
  return rows;
}
