import { decodeCbor } from './cbor.js';

/** One SQL value: the five storage classes of SQLite; integers beyond 2^53 are `bigint`. */
export type SqlValue = null | number | bigint | string | Uint8Array;

const MAJOR_ARRAY = 4;
const INFO_ONE_BYTE = 24;

/** The head of a CBOR item: major type, argument, and the offset behind it. */
interface Head {
  major: number;
  argument: number;
  next: number;
}

// One object for all calls: the walk below runs once per value of every distinct answer.
const head: Head = { major: 0, argument: 0, next: 0 };

function readHead(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at];
  if (first === undefined) return false;
  const info = first & 31;
  head.major = first >> 5;
  if (info < INFO_ONE_BYTE) {
    head.argument = info;
    head.next = at + 1;
    return true;
  }
  if (info > 27) return false;
  const width = 1 << (info - INFO_ONE_BYTE);
  if (at + 1 + width > bytes.length) return false;
  let argument = 0;
  for (let i = 1; i <= width; i += 1) argument = argument * 256 + (bytes[at + i] ?? 0);
  head.argument = argument;
  head.next = at + 1 + width;
  return true;
}

/** Whether the float whose head is at `at` is a NaN, in any of its encodings: SQLite has none. */
function isNaNAt(bytes: Uint8Array, at: number, next: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at + 1, next - at - 1);
  if (view.byteLength === 8) return Number.isNaN(view.getFloat64(0));
  if (view.byteLength === 4) return Number.isNaN(view.getFloat32(0));
  return (view.getUint16(0) & 0x7fff) > 0x7c00;
}

/** The offset after one SQL value at `at`, or -1 when there is none: integers of 64 bits, byte and text strings, floats and null only. */
function skipValue(bytes: Uint8Array, at: number): number {
  if (!readHead(bytes, at)) return -1;
  switch (head.major) {
    case 0:
    case 1:
      // An argument of eight bytes with the highest bit set is beyond SQLite's INTEGER, on either side of zero.
      return head.next - at === 9 && (bytes[at + 1] ?? 0) > 0x7f ? -1 : head.next;
    case 2:
    case 3: {
      const end = head.next + head.argument;
      return end <= bytes.length ? end : -1;
    }
    case 7: {
      const info = (bytes[at] ?? 0) & 31;
      if (info === 22) return head.next;
      return info >= 25 && info <= 27 && !isNaNAt(bytes, at, head.next) ? head.next : -1;
    }
    default:
      return -1;
  }
}

/** The offset after the row (CBOR array of exactly `columns` SQL values) that starts at `at`; -1 when there is no such row. */
export function skipRow(bytes: Uint8Array, at: number, columns: number): number {
  if (!readHead(bytes, at) || head.major !== MAJOR_ARRAY || head.argument !== columns) return -1;
  let position = head.next;
  for (let i = 0; i < columns && position >= 0; i += 1) position = skipValue(bytes, position);
  return position;
}

/** How many rows a CBOR sequence (RFC 8742) of rows holds; -1 when any of it is malformed or has another number of columns. */
export function countRows(bytes: Uint8Array, columns: number): number {
  return measureRows(bytes, columns)?.count ?? -1;
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

/** A SQL value in JSON: unsafe integers as decimal text, blobs as `{"$blob": base64}`, infinities as text. */
export type JsonSqlValue = null | number | string | { readonly $blob: string };

export function sqlValueToJson(value: SqlValue): JsonSqlValue {
  if (typeof value === 'bigint') {
    return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(value)
      : value.toString();
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === null || typeof value === 'string') return value;
  return { $blob: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
}

/**
 * A row as JSON text, the same as `JSON.stringify` of its decoded values, but without decoding: viewers of raw rows get hundreds of
 * thousands of them. The row must be one that {@link skipRow} accepts; throws `RangeError` where it is not.
 */
export function rowJsonText(row: Uint8Array): string {
  const isRow = readHead(row, 0);
  const { major: kind, argument: count } = head;
  if (!isRow || kind !== MAJOR_ARRAY) throw new RangeError('not a row');
  const buffer = Buffer.from(row.buffer, row.byteOffset, row.byteLength);
  let text = '[';
  let at = head.next;
  for (let i = 0; i < count; i += 1) {
    const end = skipValue(row, at);
    if (end < 0) throw new RangeError('not a row');
    readHead(row, at);
    const { major, argument, next } = head;
    if (i > 0) text += ',';
    if (major === 3) text += JSON.stringify(buffer.toString('utf8', next, end));
    else if (major === 0 && argument <= Number.MAX_SAFE_INTEGER) text += String(argument);
    // Rare: negative and large integers, floats, blobs, null.
    else text += JSON.stringify(sqlValueToJson(decodeCbor(row.subarray(at, end)) as SqlValue));
    at = end;
  }
  return `${text}]`;
}
