import { isUtf8 } from 'node:buffer';
import { type SqliteModule, TYPE } from './sqlite-module.js';

const UINT = 0;
const NINT = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const NULL = 0xf6;
const HALF = 0xf9;
const SINGLE = 0xfa;
const DOUBLE = 0xfb;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Encodes rows of a statement as a CBOR sequence (RFC 8742) of arrays. The encoding is deterministic (RFC 8949 §4.2.1), so that
 * equal rows are equal bytes. REAL values stay floats, in the shortest exact form. Invalid UTF-8 is replaced by U+FFFD.
 */
export class RowEncoder {
  readonly #sqlite: SqliteModule;
  #buffer: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(sqlite: SqliteModule, capacity = 64 * 1024) {
    this.#sqlite = sqlite;
    this.#buffer = new Uint8Array(capacity);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** Bytes since the last `take`. */
  get length(): number {
    return this.#length;
  }

  /** Appends the current row of `stmt`. */
  row(stmt: number, columns: number): void {
    this.#head(ARRAY, columns);
    for (let column = 0; column < columns; column += 1) this.#column(stmt, column);
  }

  /** Returns the encoded bytes in a transferable buffer and starts over. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#length);
    bytes.set(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
    return bytes;
  }

  /** Drops everything after `length`. */
  truncate(length: number): void {
    this.#length = length;
  }

  #column(stmt: number, column: number): void {
    const { c } = this.#sqlite;
    switch (c.sqlite3_column_type(stmt, column)) {
      case TYPE.integer:
        this.#integer(stmt, column);
        return;
      case TYPE.float:
        this.#float(c.sqlite3_column_double(stmt, column));
        return;
      case TYPE.text: {
        // Text first: reading it may convert the value, which changes its length.
        const pointer = c.sqlite3_column_text(stmt, column);
        this.#text(pointer, c.sqlite3_column_bytes(stmt, column));
        return;
      }
      case TYPE.blob: {
        const pointer = c.sqlite3_column_blob(stmt, column);
        this.#string(BYTES, this.#sqlite.bytes().subarray(pointer, pointer + c.sqlite3_column_bytes(stmt, column)));
        return;
      }
      default:
        this.#room(1);
        this.#buffer[this.#length++] = NULL;
    }
  }

  #integer(stmt: number, column: number): void {
    // BigInt allocates, so it is used only for integers beyond the exact range of a double.
    const number = this.#sqlite.c.sqlite3_column_double(stmt, column);
    if (Number.isSafeInteger(number)) {
      if (number >= 0) this.#head(UINT, number);
      else this.#head(NINT, -1 - number);
      return;
    }
    const big = this.#sqlite.c.sqlite3_column_int64(stmt, column);
    this.#room(9);
    this.#buffer[this.#length] = ((big >= 0n ? UINT : NINT) << 5) | 27;
    this.#view.setBigUint64(this.#length + 1, big >= 0n ? big : -1n - big);
    this.#length += 9;
  }

  #float(value: number): void {
    this.#room(9);
    const half = halfBits(value);
    if (half >= 0) {
      this.#buffer[this.#length] = HALF;
      this.#view.setUint16(this.#length + 1, half);
      this.#length += 3;
    } else if (Math.fround(value) === value) {
      this.#buffer[this.#length] = SINGLE;
      this.#view.setFloat32(this.#length + 1, value);
      this.#length += 5;
    } else {
      this.#buffer[this.#length] = DOUBLE;
      this.#view.setFloat64(this.#length + 1, value);
      this.#length += 9;
    }
  }

  #text(pointer: number, length: number): void {
    const bytes = this.#sqlite.bytes().subarray(pointer, pointer + length);
    this.#string(TEXT, isUtf8(bytes) ? bytes : encoder.encode(decoder.decode(bytes)));
  }

  #string(major: number, bytes: Uint8Array): void {
    this.#head(major, bytes.length);
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #head(major: number, argument: number): void {
    this.#room(9);
    const first = major << 5;
    const at = this.#length;
    if (argument < 24) {
      this.#buffer[at] = first | argument;
      this.#length += 1;
    } else if (argument < 0x100) {
      this.#buffer[at] = first | 24;
      this.#buffer[at + 1] = argument;
      this.#length += 2;
    } else if (argument < 0x1_0000) {
      this.#buffer[at] = first | 25;
      this.#view.setUint16(at + 1, argument);
      this.#length += 3;
    } else if (argument < 0x1_0000_0000) {
      this.#buffer[at] = first | 26;
      this.#view.setUint32(at + 1, argument);
      this.#length += 5;
    } else {
      this.#buffer[at] = first | 27;
      this.#view.setUint32(at + 1, Math.floor(argument / 0x1_0000_0000));
      this.#view.setUint32(at + 5, argument >>> 0);
      this.#length += 9;
    }
  }

  #room(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }
}

const single = new DataView(new ArrayBuffer(4));

/** Half-precision bits of `value`, or -1 when a half cannot represent it exactly. SQLite has no NaN. */
function halfBits(value: number): number {
  if (Math.fround(value) !== value) return -1;
  single.setFloat32(0, value);
  const bits = single.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7f_ffff;
  if (exponent === 0xff) return fraction === 0 ? sign | 0x7c00 : -1;
  if (exponent === 0) return fraction === 0 ? sign : -1;
  const unbiased = exponent - 127;
  if (unbiased > 15) return -1;
  if (unbiased >= -14) return (fraction & 0x1fff) === 0 ? sign | ((unbiased + 15) << 10) | (fraction >>> 13) : -1;
  // Below 2^-14 a half is subnormal: the fraction with its hidden bit, in units of 2^-24.
  const shift = -unbiased - 1;
  const whole = fraction | 0x80_0000;
  if (shift > 23 || (whole & ((1 << shift) - 1)) !== 0) return -1;
  return sign | (whole >>> shift);
}
