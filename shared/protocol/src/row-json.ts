import { decodeCbor } from './cbor.js';
import type { SqlValue } from './rows.js';
import { head, MAJOR_ARRAY, readHead, skipValue } from './value-walk.js';

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

const FIRST_BYTES = 4 * 1024;
/** Longer texts are left to the engine's own functions, which are faster there. */
const SHORT_TEXT_BYTES = 192;
const [QUOTE, BACKSLASH, SPACE, NOT_ASCII, ZERO, COMMA] = [0x22, 0x5c, 0x20, 0x80, 0x30, 0x2c];
const ARRAY = { open: 0x5b, close: 0x5d };
const OBJECT = { open: 0x7b, close: 0x7d };
/** Digits are written one by one up to here. */
const SHORT_INTEGER = 1e9;

/**
 * JSON as UTF-8 bytes, with rows that are written from their CBOR without being decoded: viewers of raw rows get hundreds of thousands of
 * them. A row is the same text as `JSON.stringify` makes of its decoded values ({@link sqlValueToJson}).
 */
export class RowJsonWriter {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Appends text as it is. */
  text(text: string): void {
    this.#reserve(text.length * 3);
    this.#length += this.#bytes.write(text, this.#length);
  }

  /**
   * Appends the row that starts at `at` and returns the offset after it. With `keys`, an object: `keys` are what stands before each value,
   * such as `"pid":`. Throws `RangeError` where no row starts, or one with another number of values; what was written of it stays.
   */
  row(rows: Uint8Array, at: number, keys?: readonly string[]): number {
    const isRow = readHead(rows, at);
    const { major, argument: count, next } = head;
    if (!isRow || major !== MAJOR_ARRAY || (keys !== undefined && keys.length !== count)) throw notARow();
    const { open, close } = keys === undefined ? ARRAY : OBJECT;
    this.#byte(open);
    let position = next;
    for (let i = 0; i < count; i += 1) {
      if (i > 0) this.#byte(COMMA);
      if (keys !== undefined) this.text(keys[i] ?? '');
      position = this.#value(rows, position);
    }
    this.#byte(close);
    return position;
  }

  /** What was written since the last time. The bytes are the caller's. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = Buffer.allocUnsafe(Math.max(FIRST_BYTES, this.#length));
    this.#length = 0;
    return taken;
  }

  /** Writes the value at `at` and returns the offset after it. */
  #value(rows: Uint8Array, at: number): number {
    if (!readHead(rows, at)) throw notARow();
    const { major, argument, next } = head;
    if (major === 0 && argument < SHORT_INTEGER) {
      this.#digits(argument);
      return next;
    }
    if (major === 3 && next + argument <= rows.length) {
      this.#string(rows, next, next + argument);
      return next + argument;
    }
    const end = skipValue(rows, at);
    if (end < 0) throw notARow();
    // Rare: negative and large integers, floats, blobs, null.
    this.text(JSON.stringify(sqlValueToJson(decodeCbor(rows.subarray(at, end)) as SqlValue)));
    return end;
  }

  #string(rows: Uint8Array, start: number, end: number): void {
    if (end - start > SHORT_TEXT_BYTES || !this.#ascii(rows, start, end)) {
      const text = Buffer.from(rows.buffer, rows.byteOffset + start, end - start).toString('utf8');
      this.text(JSON.stringify(text));
    }
  }

  /** Writes a text of printable ASCII; false, and nothing written, when it is not one. */
  #ascii(rows: Uint8Array, start: number, end: number): boolean {
    this.#reserve(2 * (end - start) + 2);
    const bytes = this.#bytes;
    let to = this.#length;
    bytes[to++] = QUOTE;
    for (let from = start; from < end; from += 1) {
      const byte = rows[from] ?? 0;
      if (byte < SPACE || byte >= NOT_ASCII) return false;
      if (byte === QUOTE || byte === BACKSLASH) bytes[to++] = BACKSLASH;
      bytes[to++] = byte;
    }
    bytes[to++] = QUOTE;
    this.#length = to;
    return true;
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  #digits(value: number): void {
    this.#reserve(10);
    let width = 1;
    for (let bound = 10; bound <= value; bound *= 10) width += 1;
    let rest = value;
    for (let to = this.#length + width - 1; to >= this.#length; to -= 1) {
      const tens = Math.floor(rest / 10);
      this.#bytes[to] = ZERO + rest - tens * 10;
      rest = tens;
    }
    this.#length += width;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + count));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

function notARow(): RangeError {
  return new RangeError('not a row');
}
