/** Integers of a sample are at most this large, so that the difference of two of them can still be encoded exactly. */
export const MAX_INTEGER = 2 ** 51 - 1;

/** Writes bytes into a buffer that grows. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

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

/** Thrown by {@link ByteReader} and the decoders: the bytes are not what they should be. */
export class MalformedSample extends Error {
  override readonly name = 'MalformedSample';
}

/** Reads what {@link ByteWriter} wrote. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Throws {@link MalformedSample} at the end of the bytes and on numbers above 2^53−1. */
  varint(): number {
    let value = 0;
    let unit = 1;
    for (let i = 0; i < 8; i += 1) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new MalformedSample('it ends within a number');
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      unit *= 0x80;
    }
    throw new MalformedSample('a number is too large');
  }

  /** Passes over bytes; returns where the first of them is. */
  skip(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) throw new MalformedSample('it ends within a text');
    this.#at = start + length;
    return start;
  }

  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new MalformedSample('it ends within a text');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** A view of what was not read yet. */
  rest(): Uint8Array {
    return this.bytes(this.#bytes.length - Math.min(this.#at, this.#bytes.length));
  }
}

/** Signed integers as unsigned ones with small absolute values first: 0, −1, 1, −2, 2 … */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

export function unzigzag(value: number): number {
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}
