import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ByteReader, ByteWriter } from '@muster/protocol';
import { decodeNumbersThrough, decodeNumberSet, encodeNumberSet } from './number-set.js';

describe('a number set', () => {
  it('returns its members in rising order, once each', () => {
    const numbers = fc.oneof(
      fc.nat({ max: 60 }),
      fc.nat({ max: 1_000_000 }),
      fc.maxSafeNat().map((n) => n % 2 ** 50),
    );
    fc.assert(
      fc.property(fc.array(numbers, { maxLength: 200 }), (members) => {
        const expected = [...new Set(members)].toSorted((a, b) => a - b);
        expect(decodeNumberSet(encodeNumberSet(members))).toEqual(expected);
      }),
    );
  });

  it('of neighbouring numbers is small', () => {
    const fleet = Array.from({ length: 15_000 }, (_, i) => i + 1_000_000);
    expect(encodeNumberSet(fleet).length).toBeLessThan(10);
    expect(decodeNumberSet(encodeNumberSet(fleet))).toEqual(fleet);
  });

  it('may be empty', () => {
    expect(encodeNumberSet([])).toHaveLength(0);
    expect(decodeNumberSet(new Uint8Array())).toEqual([]);
  });

  it('is the same bytes in whatever order its members were given', () => {
    expect(encodeNumberSet([5, 3, 4, 3])).toEqual(encodeNumberSet([3, 4, 5]));
  });

  it('over the member limit is refused before memory is allocated', () => {
    const writer = new ByteWriter();
    writer.varint(0);
    writer.varint(2 ** 40);
    expect(() => decodeNumberSet(writer.view())).toThrow(RangeError);
    expect(() => decodeNumberSet(encodeNumberSet([1, 2, 3]), 2)).toThrow(RangeError);
  });

  it('is decoded up to a number, and what is above takes no memory', () => {
    const numbers = fc.array(fc.nat({ max: 200 }), { maxLength: 60 });
    fc.assert(
      fc.property(numbers, fc.nat({ max: 220 }), (members, highest) => {
        const all = decodeNumberSet(encodeNumberSet(members));
        const expected = all.filter((num) => num <= highest);
        expect(decodeNumbersThrough(encodeNumberSet(members), highest)).toEqual({
          numbers: expected,
          above: all.length - expected.length,
        });
      }),
    );
    const writer = new ByteWriter();
    for (const value of [8, 2 ** 40, 5, 2 ** 40]) writer.varint(value);
    expect(decodeNumbersThrough(writer.view(), 10)).toEqual({ numbers: [8, 9, 10], above: 2 ** 41 - 3 });
  });

  it('that is cut off is refused or gives another set, and never hangs', () => {
    const bytes = encodeNumberSet([1, 2, 300, 70_000]);
    for (let length = 1; length < bytes.length; length += 1) {
      try {
        expect(decodeNumberSet(bytes.subarray(0, length)).length).toBeLessThan(4);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
  });
});

describe('varints', () => {
  it('hold every non-negative safe integer', () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat()), (values) => {
        const writer = new ByteWriter(1);
        for (const value of values) writer.varint(value);
        const reader = new ByteReader(writer.view());
        expect(values.map(() => reader.varint())).toEqual(values);
        expect(reader.done).toBe(true);
      }),
    );
  });

  it('that never end, and bytes that are not there, are range errors', () => {
    expect(() => new ByteReader(new Uint8Array(20).fill(0xff)).varint()).toThrow(RangeError);
    expect(() => new ByteReader(Uint8Array.of(0x80)).varint()).toThrow(RangeError);
    expect(() => new ByteReader(Uint8Array.of(1, 2)).bytes(3)).toThrow(RangeError);
  });
});
