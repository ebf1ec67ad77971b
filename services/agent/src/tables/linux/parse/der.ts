/** An element of DER (X.690). `content` is a view of the input. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
}

export const TAG = {
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  context0: 0x80,
  context3: 0xa3,
} as const;

/** Parses consecutive elements. Throws on truncated input. */
export function readDer(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes.readUInt8(at);
    let length = bytes.readUInt8(at + 1);
    at += 2;
    if (length > 0x80) {
      const width = length & 0x7f;
      length = bytes.readUIntBE(at, width);
      at += width;
    }
    if (at + length > bytes.length) throw new RangeError('the DER element is cut off');
    elements.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return elements;
}

/** Formats an object identifier with dots. */
export function readOid(content: Buffer): string {
  const parts: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if ((byte & 0x80) !== 0) continue;
    if (parts.length > 0) parts.push(value);
    else parts.push(Math.min(2, Math.floor(value / 40)), value - 40 * Math.min(2, Math.floor(value / 40)));
    value = 0;
  }
  return parts.join('.');
}
