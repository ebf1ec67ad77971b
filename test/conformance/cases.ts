import { closing, fragments, frame, OP } from './frames.js';
import type { Ending } from './raw-client.js';

/** Bytes that end a session, and how the session ends on each transport. */
export interface EndingCase {
  readonly what: string;
  readonly bytes: () => Uint8Array;
  readonly uws: Ending;
  readonly ws: Ending;
}

const both = (what: string, bytes: () => Uint8Array, ends: Ending): EndingCase => ({
  what,
  bytes,
  uws: ends,
  ws: ends,
});
/** uWebSockets drops TCP without a close frame on violations of the RFC. */
const broken = (what: string, bytes: () => Uint8Array, ws: Ending): EndingCase => ({ what, bytes, uws: 'dropped', ws });

const some = (length: number): Buffer => Buffer.alloc(length, 0x61);
const MEBIBYTE = 1024 * 1024;
const EURO = Buffer.from('€');

/** Violations of WebSocket framing. The message of eight zero bytes is a valid message, but no valid frame of the protocol. */
export const BROKEN_FRAMES: readonly EndingCase[] = [
  ...[0x40, 0x20, 0x10].map((rsv) =>
    broken(`reserved bit 0x${rsv.toString(16)}`, () => frame({ opcode: OP.binary, rsv, payload: some(8) }), 1002),
  ),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) =>
    broken(`reserved opcode ${opcode}`, () => frame({ opcode }), 1002),
  ),
  broken('a fragmented ping', () => frame({ opcode: OP.ping, fin: false }), 1002),
  broken('a fragmented close', () => frame({ opcode: OP.close, fin: false }), 1002),
  broken('a ping of 126 bytes', () => frame({ opcode: OP.ping, payload: some(126) }), 1002),
  broken('a pong of 126 bytes', () => frame({ opcode: OP.pong, payload: some(126) }), 1002),
  broken('a close of 126 bytes', () => frame({ opcode: OP.close, payload: closing(1000, some(124)) }), 1002),
  broken('a continuation of nothing', () => frame({ opcode: OP.continuation, payload: some(8) }), 1002),
  broken(
    'a text within a fragmented message',
    () => Buffer.concat([frame({ opcode: OP.binary, fin: false, payload: some(4) }), frame({ opcode: OP.text })]),
    1002,
  ),
  both(
    'a binary message within a fragmented one',
    () =>
      Buffer.concat([
        frame({ opcode: OP.binary, fin: false, payload: some(4) }),
        frame({ opcode: OP.binary, payload: some(4) }),
      ]),
    1002,
  ),
  broken('a message over 1 MiB', () => frame({ opcode: OP.binary, statedLength: BigInt(MEBIBYTE + 1) }), 1009),
  broken('a message of 2^63 bytes', () => frame({ opcode: OP.binary, statedLength: 1n << 63n }), 1009),
  broken(
    'fragments over 1 MiB together',
    () => fragments(OP.binary, [some(MEBIBYTE / 2), some(MEBIBYTE / 2), some(1)]),
    1009,
  ),
];

/** Valid WebSocket messages that are not valid in the protocol. */
export const BROKEN_MESSAGES: readonly EndingCase[] = [
  both('an empty message', () => frame({ opcode: OP.binary }), 1002),
  both('seven bytes', () => frame({ opcode: OP.binary, payload: new Uint8Array(7) }), 1002),
  both('eight bytes that are no header', () => frame({ opcode: OP.binary, payload: new Uint8Array(8) }), 1002),
  both(
    'a REPORT with a handle',
    () => frame({ opcode: OP.binary, payload: Buffer.from('a000000000000001a0', 'hex') }),
    1002,
  ),
  both('text', () => frame({ opcode: OP.text, payload: EURO }), 1003),
  both('empty text', () => frame({ opcode: OP.text }), 1003),
  both(
    'text with a character in three fragments',
    () =>
      fragments(
        OP.text,
        [...EURO].map((byte) => Buffer.from([byte])),
      ),
    1003,
  ),
  broken('text that is no UTF-8', () => frame({ opcode: OP.text, payload: Buffer.from([0x61, 0xff]) }), 1007),
  broken(
    'text that ends within a character',
    () => fragments(OP.text, [EURO.subarray(0, 1), EURO.subarray(1, 2)]),
    1007,
  ),
  broken('a surrogate in text', () => frame({ opcode: OP.text, payload: Buffer.from([0xed, 0xa0, 0x80]) }), 1007),
];

const close = (what: string, payload: Uint8Array, uws: Ending, ws: Ending): EndingCase => ({
  what,
  bytes: () => frame({ opcode: OP.close, payload }),
  uws,
  ws,
});

/** The answers to close frames; 1005 is a close frame without a status. */
export const CLOSES: readonly EndingCase[] = [
  close('without a status', new Uint8Array(0), 1005, 1005),
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 4000, 4500, 4999].map((code) =>
    close(`with ${code}`, closing(code), code, code),
  ),
  ...[1012, 1013, 1014, 3000, 3999].map((code) => close(`with ${code}`, closing(code), 1005, code)),
  close('with a reason', closing(1000, 'done for today'), 1000, 1000),
  close('with a reason of 123 bytes', closing(1000, some(123)), 1000, 1000),
  close('with one byte', new Uint8Array([3]), 1005, 1002),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map((code) =>
    close(`with ${code}, which must not be sent`, closing(code), 1005, 1002),
  ),
  close('with a reason that is no UTF-8', closing(1000, Buffer.from([0xff])), 1005, 1007),
];

export interface UnmaskedCase {
  readonly what: string;
  readonly bytes: Buffer;
}

const OPCODES = Object.entries(OP);

/** One frame without a mask, and no bytes after it. */
export const UNMASKED: readonly UnmaskedCase[] = [
  ...OPCODES.flatMap(([name, opcode]) =>
    [0, 1, 2, 3, 4, 5, 8, 125].map((length) => ({
      what: `${name} of ${length} bytes`,
      bytes: frame({ opcode, masked: false, payload: some(length) }),
    })),
  ).filter(({ what }) => !what.startsWith('continuation')),
  ...[0, 1, 4, 8].map((length) => ({
    what: `first fragment of ${length} bytes`,
    bytes: frame({ opcode: OP.binary, fin: false, masked: false, payload: some(length) }),
  })),
  ...[126, 127, 1_000, 65_535, 65_536, 100_000].map((length) => ({
    what: `binary of ${length} bytes`,
    bytes: frame({ opcode: OP.binary, masked: false, payload: some(length) }),
  })),
];

/** Data frames without a mask, with more bytes after them: both transports detect these at once. */
export const UNMASKED_AND_MORE: readonly UnmaskedCase[] = [0, 1, 2, 3, 4, 5, 8, 20, 125, 126, 1_000, 65_536].map(
  (length) => {
    const one = frame({ opcode: OP.binary, masked: false, payload: some(length) });
    return { what: `two binary ones of ${length} bytes`, bytes: Buffer.concat([one, one, one, one]) };
  },
);
