import type { SqliteModule } from './sqlite-module.js';

const STATIC = 0;
const MAX_INT64 = 0x7fff_ffff_ffff_ffffn;

/**
 * Inserts encoded rows (the CBOR sequence of the row encoder) with a prepared statement. Creates no JavaScript values:
 * text and bytes are bound in place on SQLite's heap.
 */
export class RowBinder {
  readonly #sqlite: SqliteModule;
  readonly #stmt: number;
  /** Number of parameters before the row's values. */
  readonly #leading: number;
  readonly #columns: number;
  #bytes: Uint8Array = new Uint8Array();
  #view: DataView = new DataView(new ArrayBuffer(0));
  #base = 0;
  #at = 0;

  constructor(sqlite: SqliteModule, stmt: number, shape: { leading: number; columns: number }) {
    this.#sqlite = sqlite;
    this.#stmt = stmt;
    this.#leading = shape.leading;
    this.#columns = shape.columns;
  }

  /**
   * Inserts all rows. `afterRow` gets SQLite's result code of each row and returns whether to continue. Throws when the
   * bytes are not rows of the expected width.
   */
  insertAll(rows: Uint8Array, afterRow: (code: number) => boolean): void {
    const { c } = this.#sqlite;
    this.#base = this.#sqlite.malloc(Math.max(1, rows.length));
    try {
      this.#sqlite.bytes().set(rows, this.#base);
      this.#bytes = rows;
      this.#view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
      for (this.#at = 0; this.#at < rows.length;) {
        this.#row();
        const code = c.sqlite3_step(this.#stmt);
        c.sqlite3_reset(this.#stmt);
        if (!afterRow(code)) return;
      }
    } finally {
      c.sqlite3_free(this.#base);
    }
  }

  #row(): void {
    const first = this.#bytes[this.#at] ?? 0;
    const count = this.#argument();
    if (first >> 5 !== 4 || count !== this.#columns)
      throw new Error(`these bytes are not a row of ${this.#columns} values`);
    for (let column = 1; column <= this.#columns; column += 1) this.#value(this.#leading + column);
  }

  #value(index: number): void {
    const { c } = this.#sqlite;
    const first = this.#bytes[this.#at] ?? 0xff;
    switch (first >> 5) {
      case 0:
        this.#bindInteger(index, this.#argument(), false);
        return;
      case 1:
        this.#bindInteger(index, this.#argument(), true);
        return;
      case 2: {
        const length = this.#length();
        c.sqlite3_bind_blob(this.#stmt, index, this.#take(length), length, STATIC);
        return;
      }
      case 3: {
        const length = this.#length();
        c.sqlite3_bind_text(this.#stmt, index, this.#take(length), length, STATIC);
        return;
      }
      default:
        this.#simple(index, first);
    }
  }

  #simple(index: number, first: number): void {
    const { c } = this.#sqlite;
    const at = this.#at + 1;
    switch (first) {
      case 0xf6:
        this.#at = at;
        c.sqlite3_bind_null(this.#stmt, index);
        return;
      case 0xf9:
        this.#at = at + 2;
        c.sqlite3_bind_double(this.#stmt, index, halfValue(this.#view.getUint16(at)));
        return;
      case 0xfa:
        this.#at = at + 4;
        c.sqlite3_bind_double(this.#stmt, index, this.#view.getFloat32(at));
        return;
      case 0xfb:
        this.#at = at + 8;
        c.sqlite3_bind_double(this.#stmt, index, this.#view.getFloat64(at));
        return;
      default:
        throw new Error(`a row holds a CBOR item that is no SQL value: 0x${first.toString(16)}`);
    }
  }

  /** CBOR encodes a negative integer n as -1 - n. */
  #bindInteger(index: number, argument: number | bigint, negative: boolean): void {
    const { c } = this.#sqlite;
    if (typeof argument === 'number' && argument < 0x8000_0000) {
      c.sqlite3_bind_int(this.#stmt, index, negative ? -1 - argument : argument);
      return;
    }
    const value = negative ? -1n - BigInt(argument) : BigInt(argument);
    // CBOR's integer range is twice that of SQLite.
    if (value > MAX_INT64 || value < -MAX_INT64 - 1n) c.sqlite3_bind_double(this.#stmt, index, Number(value));
    else c.sqlite3_bind_int64(this.#stmt, index, value);
  }

  #length(): number {
    return Number(this.#argument());
  }

  #take(length: number): number {
    const pointer = this.#base + this.#at;
    if (this.#at + length > this.#bytes.length) throw new Error('a row is cut off');
    this.#at += length;
    return pointer;
  }

  #argument(): number | bigint {
    const info = (this.#bytes[this.#at] ?? 0xff) & 31;
    const at = this.#at + 1;
    if (info < 24) {
      this.#at = at;
      return info;
    }
    if (info > 27) throw new Error('a row holds an item of indefinite length');
    this.#at = at + (1 << (info - 24));
    if (info === 24) return this.#view.getUint8(at);
    if (info === 25) return this.#view.getUint16(at);
    if (info === 26) return this.#view.getUint32(at);
    return this.#view.getBigUint64(at);
  }
}

function halfValue(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
