import { isAscii, isUtf8 } from 'node:buffer';
import { ByteWriter } from './byte-stream.js';
import { encodeCborUnsorted } from './cbor.js';
import { head, MAJOR_ARRAY, readHead, skipValue } from './value-walk.js';

const [ARRAY, MAP] = [0x80, 0xa0];
const MAJOR_TEXT = 3;
const EMPTY_TEXT = Uint8Array.of(0x60);
const FIRST_BYTES = 4 * 1024;

/**
 * CBOR (RFC 8949) with rows that stay the bytes that their endpoint sent: integers of 64 bits, blobs and floats as they
 * were. The counterpart of `RowJsonWriter`.
 */
export class RowCborWriter {
  #out = new ByteWriter(FIRST_BYTES);

  get length(): number {
    return this.#out.length;
  }

  /** Appends one whole item. */
  item(value: unknown): void {
    this.#out.bytes(encodeCborUnsorted(value));
  }

  /** Appends CBOR as it is. */
  encoded(bytes: Uint8Array): void {
    this.#out.bytes(bytes);
  }

  /** So many pairs of key and value follow. */
  map(count: number): void {
    this.#head(MAP, count);
  }

  /** So many items follow. */
  array(count: number): void {
    this.#head(ARRAY, count);
  }

  /**
   * Appends the row that starts at `at` and returns the offset after it. With `keys`, which are encoded texts, it
   * becomes a map. Text that is no UTF-8 is mended with U+FFFD: one endpoint must not make the whole unreadable. Throws
   * `RangeError` where no row starts, or one with another number of values, and writes nothing of it.
   */
  row(rows: Uint8Array, at: number, keys?: readonly Uint8Array[]): number {
    const isRow = readHead(rows, at);
    const { major, argument: count, next } = head;
    if (!isRow || major !== MAJOR_ARRAY || (keys !== undefined && keys.length !== count)) throw notARow();
    let end = next;
    for (let i = 0; i < count && end >= 0; i += 1) end = skipValue(rows, end);
    if (end < 0) throw notARow();
    if (keys === undefined && isAscii(rows.subarray(next, end))) {
      this.#out.bytes(rows.subarray(at, end));
      return end;
    }
    if (keys === undefined) this.array(count);
    else this.map(count);
    for (let i = 0, start = next; i < count; i += 1) {
      if (keys !== undefined) this.#out.bytes(keys[i] ?? EMPTY_TEXT);
      start = this.#value(rows, start);
    }
    return end;
  }

  /** What was written since the last time. The bytes are the caller's. */
  take(): Uint8Array {
    const taken = this.#out.view();
    this.#out = new ByteWriter(Math.max(FIRST_BYTES, taken.length));
    return taken;
  }

  /** Writes the value at `at`, which is one, and returns the offset after it. */
  #value(rows: Uint8Array, at: number): number {
    const end = skipValue(rows, at);
    readHead(rows, at);
    const { major, next } = head;
    const text = rows.subarray(next, end);
    if (major !== MAJOR_TEXT || isUtf8(text)) this.#out.bytes(rows.subarray(at, end));
    else this.item(Buffer.from(text).toString());
    return end;
  }

  #head(major: number, count: number): void {
    const bytes =
      count < 24
        ? [major | count]
        : count < 0x1_00
          ? [major | 24, count]
          : count < 0x1_00_00
            ? [major | 25, count >>> 8, count & 0xff]
            : [major | 26, count >>> 24, (count >>> 16) & 0xff, (count >>> 8) & 0xff, count & 0xff];
    this.#out.bytes(Uint8Array.from(bytes));
  }
}

const notARow = (): RangeError => new RangeError('not a row of SQL values');
