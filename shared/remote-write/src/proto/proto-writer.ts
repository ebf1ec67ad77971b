/** What marks the end of a series: a NaN with these bits (Prometheus, `value.StaleNaN`). */
const STALE_HIGH = 0x7ff00000;
const STALE_LOW = 0x00000002;

/** Wire types of Protocol Buffers. */
const LENGTH_DELIMITED = 2;
const FIXED_64 = 1;

/** Writes the few kinds of Protocol Buffers fields that remote write needs into one buffer that grows and is used again. */
export class ProtoWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(initialBytes = 64 * 1024) {
    this.#bytes = Buffer.allocUnsafe(initialBytes);
  }

  reset(): void {
    this.#length = 0;
  }

  /** What was written since the reset; valid until the next write. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Tag of a field whose content is preceded by its length. */
  delimited(field: number, contentLength: number): void {
    this.varint(field * 8 + LENGTH_DELIMITED);
    this.varint(contentLength);
  }

  /** A whole number from 0 to 2^53. */
  varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80;
      // Beyond 32 bits the bit operators do not reach.
      rest = rest > 0x7fffffff ? Math.floor(rest / 128) : rest >>> 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  text(field: number, text: string): void {
    const length = Buffer.byteLength(text);
    this.delimited(field, length);
    this.#reserve(length);
    this.#length += this.#bytes.write(text, this.#length);
  }

  /** A double; NaN is the stale marker. */
  double(field: number, value: number): void {
    this.varint(field * 8 + FIXED_64);
    this.#reserve(8);
    if (Number.isNaN(value)) {
      // As integers: an engine may change the bits of a NaN.
      this.#bytes.writeUInt32LE(STALE_LOW, this.#length);
      this.#bytes.writeUInt32LE(STALE_HIGH, this.#length + 4);
    } else this.#bytes.writeDoubleLE(value, this.#length);
    this.#length += 8;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** How many bytes {@link ProtoWriter.varint} takes. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) length += 1;
  return length;
}

/** `message Label { string name = 1; string value = 2; }` as field 1 of a `prometheus.TimeSeries`. */
export function encodeLabel({ name, value }: { readonly name: string; readonly value: string }): Uint8Array {
  const content = new ProtoWriter(64);
  content.text(1, name);
  content.text(2, value);
  const field = new ProtoWriter(64);
  field.delimited(1, content.written().length);
  field.raw(content.written());
  return Uint8Array.from(field.written());
}
