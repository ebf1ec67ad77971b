import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeCbor, encodeCbor, encodeCborUnsorted } from './cbor.js';

const hex = (value: unknown): string => Buffer.from(encodeCbor(value)).toString('hex');
const decode = (text: string): unknown => decodeCbor(Buffer.from(text, 'hex'));

describe('CBOR', () => {
  it('sorts keys by their encoding, as RFC 8949 §4.2.1 says', () => {
    expect(hex({ bb: 1, a: 2, aa: 3 })).toBe('a3616102626161036262620' + '1');
  });

  it('keeps the order of keys where bytes are not compared', () => {
    const value = { bb: 1, a: 2, aa: 3 };
    expect(Buffer.from(encodeCborUnsorted(value)).toString('hex')).toBe('a362626201616102626161' + '03');
    expect(decodeCbor(encodeCborUnsorted(value))).toEqual(value);
  });

  it('uses the shortest form of floats and integers', () => {
    expect(hex(0.5)).toBe('f93800');
    expect(hex(0.1)).toBe('fb3fb999999999999a');
    expect(hex(255)).toBe('18ff');
    expect(hex(2n ** 63n - 1n)).toBe('1b7fffffffffffffff');
    expect(hex(-(2n ** 63n))).toBe('3b7fffffffffffffff');
  });

  it('gives back values of the five storage classes', () => {
    const value = fc.oneof(
      fc.constant(null),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
      fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
      fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
      fc.string({ unit: 'binary' }),
      fc.uint8Array(),
    );
    fc.assert(
      fc.property(fc.array(value), (row) => {
        expect(decodeCbor(encodeCbor(row))).toEqual(row);
      }),
    );
  });

  it.each([
    ['an indefinite array', '9f01ff'],
    ['an indefinite map', 'bf616101ff'],
    ['indefinite text', '7f6161ff'],
    ['undefined', 'f7'],
    ['a tag', 'c11a514b67b0'],
    ['a repeated key', 'a2616101616102'],
    ['two items', '0101'],
    ['nothing', ''],
    ['a break', 'ff'],
    ['a reserved head', '1c'],
    ['a length beyond the end', '5affffffff00'],
    ['an array length beyond the end', '9affffffff00'],
  ])('refuses %s', (_what, text) => {
    expect(() => decode(text)).toThrow(/CBOR/);
  });

  it('does not let a key change what objects are', () => {
    const value = decodeCbor(encodeCbor(new Map([['__proto__', { polluted: true }]])));
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect((value as { polluted?: boolean }).polluted).toBeUndefined();
  });
});
