import { encode, rfc8949EncodeOptions } from 'cborg';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CborEncoder } from './cbor-encoder.js';

const IN_ORDER_GIVEN = { ...rfc8949EncodeOptions, mapSorter: undefined } as unknown as typeof rfc8949EncodeOptions;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const own = (value: unknown, isSorted = true): string => hex(CborEncoder.encode(value, { isSorted }));
/** What cborg writes. */
const reference = (value: unknown, isSorted = true): string =>
  hex(encode(value, isSorted ? rfc8949EncodeOptions : IN_ORDER_GIVEN));

const text = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 300 }), fc.constant('a'));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double(),
      fc.float(),
      fc.constantFrom(true, false, null, undefined),
      fc.bigInt(-(2n ** 64n), 2n ** 64n - 1n),
      fc.bigInt(-300n, 300n),
    ),
    text,
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 40 }),
    fc.dictionary(text, tie('value'), { maxKeys: 40 }),
    fc.dictionary(text, tie('value'), { maxKeys: 6 }).map((record) => new Map(Object.entries(record))),
  ),
}));

describe('the CBOR encoder', () => {
  it.each([true, false])('writes what cborg writes, with keys in order: %p', (isSorted) => {
    fc.assert(
      fc.property(value, (item) => expect(own(item, isSorted)).toBe(reference(item, isSorted))),
      { numRuns: 300 },
    );
  });

  it('writes every half float as cborg does, and what is next to it', () => {
    for (let bits = 0; bits < 0x1_0000; bits += 1) {
      const exponent = (bits >> 10) & 0x1f;
      const mantissa = bits & 0x3ff;
      const size = exponent === 0 ? mantissa * 2 ** -24 : (mantissa + 1024) * 2 ** (exponent - 25);
      const half = bits < 0x8000 ? size : -size;
      for (const near of [half, half * 1.000_1, half + 2 ** -40])
        if (own(near) !== reference(near)) throw new Error(`${near}`);
    }
  });

  it.each([23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, 2 ** 53, -0, 1e300])(
    'writes %p and its negative at the edge of a form',
    (number) => {
      expect([own(number), own(-number), own(-1 - number)]).toEqual(
        [number, -number, -1 - number].map((n) => reference(n)),
      );
    },
  );

  it('writes texts and bytes at the edge of a form, and surrogates without a partner', () => {
    for (const length of [0, 1, 22, 23, 24, 25, 255, 256, 65_535, 65_536, 300_000]) {
      for (const unit of ['a', 'ü', '€']) expect(own(unit.repeat(length))).toBe(reference(unit.repeat(length)));
      expect(own(Buffer.alloc(length, 7))).toBe(reference(Buffer.alloc(length, 7)));
    }
    for (const odd of ['\uD800', 'a\uDC00b', '\uD83D\uDE00', `${'x'.repeat(40)}\uD800`])
      expect(own(odd)).toBe(reference(odd));
  });

  it('writes a value larger than what it keeps, and a small one after it', () => {
    const large = Array.from({ length: 30_000 }, (_, i) => ({ b: i, a: `row ${i}` }));
    expect(own(large)).toBe(reference(large));
    expect(own({ a: 1 })).toBe('a1616101');
  });

  it('gives bytes that the next value does not change', () => {
    const first = CborEncoder.encode([1, 2, 3], { isSorted: true });
    CborEncoder.encode([4, 5, 6], { isSorted: true });
    expect(hex(first)).toBe('83010203');
    expect(first.buffer.byteLength).toBe(4);
  });

  it('writes other views as their bytes, and objects of any class as maps, as cborg does', () => {
    class Point {
      readonly y = 1;
      readonly x = 2;
      get [Symbol.toStringTag](): string {
        return 'Point';
      }
    }
    const views = [
      Float64Array.of(1.5),
      Uint16Array.of(1, 2),
      new DataView(new ArrayBuffer(8), 2, 3),
      Buffer.from('a'),
    ];
    for (const item of [...views, new Point(), Object.create(null)]) expect(own(item)).toBe(reference(item));
  });

  it('encodes within a getter', () => {
    const value = {
      a: 1,
      get b() {
        return CborEncoder.encode([9], { isSorted: true });
      },
      c: 2,
    };
    expect(own(value)).toBe('a3616101616242810961630' + '2');
  });

  it('sorts keys also when there are more than it remembers', () => {
    const record = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`key${(i * 7919) % 5_000}`, i]));
    expect(own(record)).toBe(reference(record));
  });

  it.each([
    ['a function', () => 1],
    ['a symbol', Symbol('a')],
    ['a date', new Date(0)],
    ['a set', new Set([1])],
    ['an error', new Error('a')],
    ['a buffer without a view', new ArrayBuffer(1)],
    ['an integer beyond 64 bits', 2n ** 64n],
    ['a negative one', -(2n ** 64n) - 1n],
    ['a map with a key that is no text', new Map([[1, 2]])],
  ])('refuses %s, and works afterwards', (_what, odd) => {
    expect(() => own([1, odd])).toThrow('CBOR');
    expect(own([1])).toBe('8101');
  });

  it('refuses what contains itself', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(() => own(circle)).toThrow(RangeError);
  });
});
