export const MAJOR_ARRAY = 4;
const INFO_ONE_BYTE = 24;

/** The head of a CBOR item: major type, argument, and the offset behind it. */
interface Head {
  major: number;
  argument: number;
  next: number;
}

// One object for all calls: the walk below runs once per value of every distinct answer.
export const head: Head = { major: 0, argument: 0, next: 0 };

/** Reads the head at `at` into {@link head}; false when there is none. */
export function readHead(bytes: Uint8Array, at: number): boolean {
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
export function skipValue(bytes: Uint8Array, at: number): number {
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
