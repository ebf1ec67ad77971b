/** SMBIOS of the box (DSP0134): a BIOS, memory modules of odd kinds, and the end. */
export function smbiosTable(): Buffer {
  return Buffer.concat([
    structure(0, 0x0000, fields(0x18, { 0x04: [1], 0x05: [2], 0x08: [3], 0x09: [0xff], 0x14: [1], 0x15: [2] }), [
      ...['Box Firmware', '1.2  ', '11/30/2026'],
    ]),
    memory(0x1100, { size: 16_384, kind: 0x1a, texts: ['DIMM 0', 'BANK 0', 'Maker', 'SN1', 'TAG', 'PN-1  '] }),
    memory(0x1101, { size: 0x7fff, kind: 0x1a, texts: ['DIMM 1', '', 'Maker', 'SN2', '', 'PN-2'] }),
    memory(0x1102, { size: 0xffff, kind: 0x02, texts: [] }),
    structure(200, 0x2000, fields(0x04, {}), []),
    structure(127, 0xfeff, fields(0x04, {}), []),
  ]);
}

type Fields = Readonly<Record<number, readonly number[]>>;

/** A formatted part of `length` bytes with values at their places. */
function fields(length: number, values: Fields): Buffer {
  const bytes = Buffer.alloc(length);
  for (const [at, value] of Object.entries(values)) bytes.set(value, Number(at));
  return bytes;
}

function structure(type: number, handle: number, body: Buffer, texts: readonly string[]): Buffer {
  body[0] = type;
  body[1] = body.length;
  body.writeUInt16LE(handle, 2);
  const end = texts.length === 0 ? '\0\0' : `${texts.join('\0')}\0\0`;
  return Buffer.concat([body, Buffer.from(end, 'latin1')]);
}

function memory(
  handle: number,
  { size, kind, texts }: { readonly size: number; readonly kind: number; readonly texts: readonly string[] },
): Buffer {
  // An empty text would end the list: its number is 0, and those behind it move up.
  const numbers = texts.map((text, index) => (text === '' ? 0 : texts.slice(0, index + 1).filter(Boolean).length));
  const number = (index: number): number => numbers[index] ?? 0;
  const body = fields(0x28, { 0x0e: [0x09], 0x0f: [0], 0x12: [kind], 0x10: [number(0)], 0x11: [number(1)] });
  body.writeUInt16LE(0x1000, 0x04);
  body.writeUInt16LE(72, 0x08);
  body.writeUInt16LE(kind === 0x02 ? 0xffff : 64, 0x0a);
  body.writeUInt16LE(size, 0x0c);
  body.writeUInt16LE(0x2080, 0x13);
  body.writeUInt16LE(3_200, 0x15);
  for (const index of [2, 3, 4, 5]) body[0x15 + index] = number(index);
  body.writeUInt32LE(65_536, 0x1c);
  body.writeUInt16LE(2_933, 0x20);
  body.writeUInt16LE(1_200, 0x22);
  return structure(17, handle, body, texts.filter(Boolean));
}
