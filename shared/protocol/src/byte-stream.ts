/** Records and samples that are packed closer than CBOR packs them. Imports nothing of Node: `@muster/protocol/byte-stream`. */

/** Writes bytes, and LEB128 numbers, into a buffer that grows. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  /** `capacity`: how many bytes there is room for at first. */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** An unsigned integer below 2^53: seven bits a byte, the lowest first (LEB128). */
  varint(value: number): void {
    this.#room(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What was written, valid until more is written. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + bytes));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Thrown by {@link ByteReader}, and by those who decode with it: the bytes are not what they should be. */
export class MalformedBytes extends RangeError {
  override readonly name = 'MalformedBytes';
}

/** Reads what {@link ByteWriter} wrote. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  /** Reads the bytes from one place to before another. */
  constructor(bytes: Uint8Array, from = 0, to = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** Throws {@link MalformedBytes} at the end of the bytes and on numbers above 2^53−1. */
  varint(): number {
    const first = this.#byte();
    // Most are small.
    return first < 0x80 ? first : this.#continued(first & 0x7f, 0x80);
  }

  /**
   * A number that may be absent, and then is `NaN`: 0 is absent, all else one more than the number, signed (zigzag: 0,
   * −1, 1, −2 …). Throws as {@link varint}.
   */
  cell(): number {
    const first = this.#byte();
    // Half of the code without the lowest bit, which is the sign: no division of large numbers.
    const half = first < 0x80 ? first >> 1 : this.#continued((first & 0x7f) >> 1, 0x40);
    if ((first & 1) === 1) return half;
    return half === 0 ? Number.NaN : -half;
  }

  /** As many cells as there are from one place in `into` to another. */
  cells(into: Float64Array, from: number, to: number): void {
    for (let i = from; i < to; i += 1) into[i] = this.cell();
  }

  /** Passes over bytes; returns where the first of them is. */
  skip(length: number): number {
    const start = this.#at;
    if (start + length > this.#end) throw new MalformedBytes('it ends within a text');
    this.#at = start + length;
    return start;
  }

  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    const start = this.skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** A reader of the next bytes, which this one passes over. It costs less than a view. */
  part(length: number): ByteReader {
    const start = this.skip(length);
    return new ByteReader(this.#bytes, start, start + length);
  }

  /** A view of what was not read yet. */
  rest(): Uint8Array {
    return this.bytes(this.#end - Math.min(this.#at, this.#end));
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new MalformedBytes('it ends within a number');
    return this.#bytes[this.#at++] as number;
  }

  /** What follows the first of several bytes of a number, of which each counts `unit` times more than the one before. */
  #continued(first: number, firstUnit: number): number {
    let value = first;
    // Of the whole number, whatever the unit of its parts: 0x80 at the second byte.
    const most = (Number.MAX_SAFE_INTEGER * firstUnit) / 0x80;
    let unit = firstUnit;
    for (let i = 1; i < 8; i += 1) {
      const byte = this.#byte();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if (value > most) break;
        return value;
      }
      unit *= 0x80;
    }
    throw new MalformedBytes('a number is too large');
  }
}
