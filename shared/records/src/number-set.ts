/**
 * A set of agent numbers as runs: pairs of varints (gap since the end of the last run, length of the run). Agents that enrolled
 * together have neighbouring numbers, so fifteen thousand of them take a few bytes to a few kilobytes.
 */
export function encodeNumberSet(numbers: Iterable<number>): Uint8Array {
  const sorted = Float64Array.from(numbers).sort();
  const out = new ByteWriter(Math.max(16, sorted.length));
  let end = 0;
  for (let i = 0; i < sorted.length;) {
    const start = sorted[i] ?? 0;
    let next = start + 1;
    for (i += 1; i < sorted.length && (sorted[i] ?? 0) <= next; i += 1) if (sorted[i] === next) next += 1;
    out.varint(start - end);
    out.varint(next - start);
    end = next;
  }
  return out.bytes();
}

/** The numbers of a set in rising order. Throws `RangeError` on truncated input and on sets over `limit` members. */
export function decodeNumberSet(bytes: Uint8Array, limit = 10_000_000): number[] {
  const reader = new ByteReader(bytes);
  const numbers: number[] = [];
  let end = 0;
  while (!reader.done) {
    const start = end + reader.varint();
    const length = reader.varint();
    if (numbers.length + length > limit) throw new RangeError('number set over its limit');
    for (let i = 0; i < length; i += 1) numbers.push(start + i);
    end = start + length;
  }
  return numbers;
}

/** A growing buffer with LEB128 varints for non-negative safe integers. */
export class ByteWriter {
  #buffer: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length++] = rest;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + more));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

/** Reads what {@link ByteWriter} wrote. Every read throws `RangeError` past the end. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || scale > 2 ** 49) throw new RangeError('truncated or oversized varint');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  raw(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError('truncated bytes');
    const slice = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return slice;
  }
}
