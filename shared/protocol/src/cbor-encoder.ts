const SCRATCH_BYTES = 16 * 1024;
/** A larger scratch buffer is not kept for the next value. */
const KEPT_BYTES = 256 * 1024;
/** Texts up to this length are written character by character, which costs less than a call; their head is one byte. */
const SHORT_TEXT = 23;
/** How many keys are remembered, and of what length. When there are more, the table begins anew: most belong to few kinds of records. */
const KNOWN_KEYS = 2_048;
const KNOWN_KEY_LENGTH = 64;

const MAJOR = { uint: 0x00, negative: 0x20, bytes: 0x40, text: 0x60, array: 0x80, map: 0xa0 } as const;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const UNDEFINED = 0xf7;

/** Objects whose properties do not say what they are. */
const NO_MAPS = new Set(
  ['RegExp', 'Date', 'Error', 'Set', 'WeakMap', 'WeakSet', 'ArrayBuffer', 'SharedArrayBuffer', 'Promise', 'URL'].map(
    (name) => `[object ${name}]`,
  ),
);

const float = new DataView(new ArrayBuffer(8));

/** A key as text and as it is written. */
interface Key {
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** Keys that were written before: records of one kind have the same. */
const knownKeys = new Map<string, Key>();

/** Taken by the encoder that runs. */
let spare: Buffer | undefined;

/**
 * Writes one value as CBOR (RFC 8949): null, booleans, numbers, `bigint` of 64 bits, texts, bytes (any view of a
 * buffer), arrays, and objects as maps. It writes the bytes that cborg writes, in a fifth of the time;
 * `cbor-encoder.test.ts` compares the two. They must stay the same: what is signed is encoded again to be verified.
 * @throws Error on everything else.
 */
export class CborEncoder {
  readonly #isSorted: boolean;
  #bytes: Buffer;
  #at = 0;

  private constructor(isSorted: boolean) {
    this.#isSorted = isSorted;
    this.#bytes = spare ?? Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    spare = undefined;
  }

  /** `isSorted`: the keys of maps in the order of RFC 8949 §4.2.1, else in the order in which they were set. */
  static encode(value: unknown, { isSorted }: { readonly isSorted: boolean }): Uint8Array {
    const encoder = new CborEncoder(isSorted);
    encoder.#item(value);
    const encoded = new Uint8Array(encoder.#at);
    encoded.set(encoder.#bytes.subarray(0, encoder.#at));
    if (encoder.#bytes.length <= KEPT_BYTES) spare = encoder.#bytes;
    return encoded;
  }

  #item(value: unknown): void {
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'number':
        return this.#number(value);
      case 'boolean':
        return this.#byte(value ? TRUE : FALSE);
      case 'bigint':
        return this.#bigint(value);
      case 'undefined':
        return this.#byte(UNDEFINED);
      case 'object':
        return value === null ? this.#byte(NULL) : this.#object(value);
      default:
        throw unsupported(typeof value);
    }
  }

  #object(value: object): void {
    if (value instanceof Uint8Array) return this.#byteString(value);
    if (Array.isArray(value)) {
      this.#head(MAJOR.array, value.length);
      for (const item of value) this.#item(item);
    } else if (ArrayBuffer.isView(value)) {
      this.#byteString(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    } else if (value instanceof Map) {
      this.#map(Array.from(value.keys(), keyOf), (key) => value.get(key));
    } else {
      if (NO_MAPS.has(Object.prototype.toString.call(value))) throw unsupported(value.constructor.name);
      const record = value as Readonly<Record<string, unknown>>;
      this.#map(Object.keys(record).map(keyOf), (key) => record[key]);
    }
  }

  #map(keys: Key[], valueOf: (key: string) => unknown): void {
    if (this.#isSorted) sort(keys);
    this.#head(MAJOR.map, keys.length);
    for (const { text, bytes } of keys) {
      this.#copy(bytes);
      this.#item(valueOf(text));
    }
  }

  #byteString(value: Uint8Array): void {
    this.#head(MAJOR.bytes, value.length);
    this.#copy(value);
  }

  #text(text: string): void {
    if (text.length <= SHORT_TEXT && this.#ascii(text)) return;
    const length = Buffer.byteLength(text);
    this.#head(MAJOR.text, length);
    this.#reserve(length);
    this.#bytes.write(text, this.#at, length, 'utf8');
    this.#at += length;
  }

  /** False, and nothing written, when the text is not ASCII. */
  #ascii(text: string): boolean {
    const { length } = text;
    this.#reserve(length + 1);
    const bytes = this.#bytes;
    const start = this.#at + 1;
    for (let i = 0; i < length; i += 1) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      bytes[start + i] = code;
    }
    bytes[this.#at] = MAJOR.text | length;
    this.#at = start + length;
    return true;
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value)) this.#float(value);
    else if (value >= 0) this.#head(MAJOR.uint, value);
    else this.#head(MAJOR.negative, -1 - value);
  }

  #bigint(value: bigint): void {
    const argument = value < 0n ? -1n - value : value;
    if (argument >= 1n << 64n) throw unsupported('an integer beyond 64 bits');
    const major = value < 0n ? MAJOR.negative : MAJOR.uint;
    if (argument <= 0xffff_ffffn) return this.#head(major, Number(argument));
    this.#reserve(9);
    this.#bytes[this.#at] = major | 27;
    this.#at = this.#bytes.writeBigUInt64BE(argument, this.#at + 1);
  }

  /** The shortest form that keeps the value; of the smallest half floats only powers of two, as ever. */
  #float(value: number): void {
    this.#reserve(9);
    const half = halfOf(value);
    if (half !== undefined) {
      this.#bytes[this.#at] = 0xf9;
      this.#at = this.#bytes.writeUInt16BE(half, this.#at + 1);
    } else if (Math.fround(value) === value) {
      this.#bytes[this.#at] = 0xfa;
      this.#at = this.#bytes.writeFloatBE(value, this.#at + 1);
    } else {
      this.#bytes[this.#at] = 0xfb;
      this.#at = this.#bytes.writeDoubleBE(value, this.#at + 1);
    }
  }

  #head(major: number, argument: number): void {
    this.#reserve(9);
    const bytes = this.#bytes;
    let at = this.#at;
    if (argument < 24) bytes[at++] = major | argument;
    else if (argument < 0x100) {
      bytes[at++] = major | 24;
      bytes[at++] = argument;
    } else if (argument < 0x1_0000) {
      bytes[at++] = major | 25;
      bytes[at++] = argument >>> 8;
      bytes[at++] = argument;
    } else if (argument < 0x1_0000_0000) {
      bytes[at] = major | 26;
      at = bytes.writeUInt32BE(argument, at + 1);
    } else {
      bytes[at] = major | 27;
      bytes.writeUInt32BE(Math.floor(argument / 0x1_0000_0000), at + 1);
      at = bytes.writeUInt32BE(argument % 0x1_0000_0000, at + 5);
    }
    this.#at = at;
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#at] = byte;
    this.#at += 1;
  }

  #copy(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #reserve(more: number): void {
    const needed = this.#at + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

function keyOf(text: unknown): Key {
  if (typeof text !== 'string') throw unsupported('a key that is no text');
  const known = knownKeys.get(text);
  if (known !== undefined) return known;
  const key = { text, bytes: bytesOfText(text) };
  if (text.length > KNOWN_KEY_LENGTH) return key;
  if (knownKeys.size >= KNOWN_KEYS) knownKeys.clear();
  knownKeys.set(text, key);
  return key;
}

function bytesOfText(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8');
  const { length } = bytes;
  if (length > SHORT_TEXT) return CborEncoder.encode(text, { isSorted: false });
  const whole = new Uint8Array(length + 1);
  whole[0] = MAJOR.text | length;
  whole.set(bytes, 1);
  return whole;
}

/** By their bytes. Few keys, most often in order already: insertion needs the fewest comparisons. */
function sort(keys: Key[]): void {
  if (keys.length > 32) {
    keys.sort(compare);
    return;
  }
  for (let i = 1; i < keys.length; i += 1) {
    const key = keys[i] as Key;
    let at = i;
    for (; at > 0 && compare(keys[at - 1] as Key, key) > 0; at -= 1) keys[at] = keys[at - 1] as Key;
    keys[at] = key;
  }
}

/** A longer text has the greater head. */
function compare(a: Key, b: Key): number {
  const difference = a.bytes.length - b.bytes.length;
  return difference === 0 ? Buffer.compare(a.bytes, b.bytes) : difference;
}

/** The bits of a half float with exactly this value, or `undefined` (RFC 8949 §3.3, appendix D). */
function halfOf(value: number): number | undefined {
  if (Number.isNaN(value)) return 0x7e00;
  if (value === Number.POSITIVE_INFINITY) return 0x7c00;
  if (value === Number.NEGATIVE_INFINITY) return 0xfc00;
  if (Math.fround(value) !== value) return undefined;
  float.setFloat32(0, value);
  const bits = float.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 127;
  const mantissa = bits & 0x7f_ffff;
  if (exponent >= -14 && exponent <= 15)
    return (mantissa & 0x1fff) === 0 ? sign | ((exponent + 15) << 10) | (mantissa >>> 13) : undefined;
  return exponent >= -24 && exponent < -14 && mantissa === 0 ? sign | (1 << (24 + exponent)) : undefined;
}

function unsupported(what: string): Error {
  return new TypeError(`CBOR encode error: ${what}`);
}
