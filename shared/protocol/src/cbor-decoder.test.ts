import { decode } from 'cborg';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeCbor } from './cbor.js';
import { CborDecoder } from './cbor-decoder.js';

const OPTIONS = { allowIndefinite: false, allowUndefined: false, rejectDuplicateMapKeys: true, allowBigInt: true };
const hex = (text: string): Uint8Array => Buffer.from(text, 'hex');

type Read = { readonly value: unknown } | 'refused';
const attempt = (read: () => unknown): Read => {
  try {
    return { value: read() };
  } catch {
    return 'refused';
  }
};
const own = (bytes: Uint8Array): Read => attempt(() => new CborDecoder(bytes).read());
/** What cborg reads. */
const reference = (bytes: Uint8Array): Read => attempt(() => decode(bytes, OPTIONS));

const text = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 30 }), fc.constant('a'));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constant(null), fc.bigInt(-(2n ** 64n), 2n ** 64n - 1n)),
    text,
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(text, tie('value'), { maxKeys: 6 }),
  ),
}));
/** Well-formed input with some bytes changed, added or cut off: nearly right is what finds faults. */
const damaged = fc
  .tuple(value, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }), fc.nat({ max: 3 }))
  .map(([item, changes, cut]) => {
    const bytes = Buffer.from(encodeCbor(item));
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    return bytes.subarray(0, Math.max(0, bytes.length - cut));
  });

/** cborg leaves out a byte order mark at the start of a text. */
const hasMark = (bytes: Uint8Array): boolean => Buffer.from(bytes).includes(Buffer.from('\uFEFF'));

describe('the CBOR decoder', () => {
  it('reads what was encoded, as cborg does', () => {
    fc.assert(
      fc.property(value, (item) => {
        const bytes = encodeCbor(item);
        fc.pre(!hasMark(bytes));
        expect(own(bytes)).toEqual(reference(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('reads and refuses the same damaged input as cborg', () => {
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 24 })), (bytes) => {
        fc.pre(!hasMark(bytes));
        expect(own(bytes)).toEqual(reference(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['the largest safe integer', '1b001fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['one more', '1b0020000000000000', 2n ** 53n],
    ['the smallest safe integer', '3b001ffffffffffffe', Number.MIN_SAFE_INTEGER],
    ['one less', '3b001fffffffffffff', -(2n ** 53n)],
    ['half floats', '84f90001f97bfff9fc00f98000', [2 ** -24, 65_504, Number.NEGATIVE_INFINITY, -0]],
    ['a float', 'fa47c35000', 100_000],
    ['a double', 'fb3ff199999999999a', 1.1],
    ['simple values', '83f4f5f6', [false, true, null]],
    ['a byte order mark', '64efbbbf61', '\uFEFFa'],
  ])('reads %s', (_what, bytes, expected) => {
    expect(new CborDecoder(hex(bytes)).read()).toEqual(expected);
  });

  it('reads a short text that is not UTF-8 as such, whatever it has read before', () => {
    for (let byte = 0x80; byte < 0x100; byte += 1) {
      const character = String.fromCharCode(byte);
      for (const around of ['', 'a']) {
        expect(own(encodeCbor(around + character + around))).toEqual({ value: around + character + around });
        const invalid = Buffer.from([
          0x60 + 2 * around.length + 1,
          ...Buffer.from(around + character + around, 'latin1'),
        ]);
        expect(own(invalid)).toEqual(reference(invalid));
      }
    }
  });

  it('gives bytes that keep nothing else in memory', () => {
    const message = Buffer.concat([Buffer.from([0x82, 0x42, 1, 2, 0x59, 0x40, 0]), Buffer.alloc(0x4000)]);
    const [bytes] = new CborDecoder(message).read() as [Uint8Array];
    expect(bytes).toEqual(Uint8Array.of(1, 2));
    expect([bytes.buffer.byteLength, Buffer.isBuffer(bytes)]).toEqual([2, false]);
  });

  it('refuses what is nested without end, before the stack is full', () => {
    const nested = (depth: number): Uint8Array => Buffer.concat([Buffer.alloc(depth, 0x81), Buffer.from([1])]);
    expect(own(nested(128))).not.toBe('refused');
    expect(() => new CborDecoder(nested(129)).read()).toThrow('CBOR');
    expect(() => new CborDecoder(nested(1_000_000)).read()).toThrow('CBOR');
    const maps = Buffer.concat([...Array.from({ length: 200 }, () => hex('a16161')), hex('01')]);
    expect(() => new CborDecoder(maps).read()).toThrow('CBOR');
  });
});
