import { isUtf8 } from 'node:buffer';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeCbor, encodeCbor } from './cbor.js';
import { RowCborWriter } from './row-cbor.js';
import { decodeRow, type SqlValue } from './rows.js';

const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true }),
  fc.constantFrom(Infinity, -Infinity),
  fc.string({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }),
);
const written = (rows: Uint8Array, keys?: readonly Uint8Array[]): Uint8Array => {
  const writer = new RowCborWriter();
  expect(writer.row(rows, 0, keys)).toBe(rows.length);
  return writer.take();
};

describe('rows as CBOR', () => {
  it('are the bytes that the endpoint sent', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 30 }), (values) => {
        const row = encodeCbor(values);
        expect(Buffer.from(written(row)).equals(row)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('are maps where keys are given, of any number of columns', () => {
    for (const count of [0, 1, 23, 24, 255, 256, 2_000]) {
      const names = Array.from({ length: count }, (_, i) => `column ${i}`);
      const row = encodeCbor(names.map((_, i) => i));
      const map = written(
        row,
        names.map((name) => encodeCbor(name)),
      );
      expect(decodeCbor(map)).toEqual(Object.fromEntries(names.map((name, i) => [name, i])));
      if (count > 0) expect(() => new RowCborWriter().row(row, 0, [])).toThrow(RangeError);
    }
  });

  it('are UTF-8 also where an endpoint sent text that is not', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 1, maxLength: 8 }), (texts) => {
        const row = Buffer.concat([
          Uint8Array.of(0x80 | texts.length),
          ...texts.map((text) => Buffer.concat([Uint8Array.of(0x60 | text.length), text])),
        ]);
        const items = decodeRow(written(row)) as string[];
        expect(items).toEqual(texts.map((text) => Buffer.from(text).toString()));
        if (texts.every((text) => isUtf8(text))) expect(Buffer.from(written(row)).equals(row)).toBe(true);
      }),
    );
  });

  it('are refused where they are no rows, and nothing of them is written', () => {
    for (const hex of [
      '',
      '01',
      '8181',
      '8163',
      '81f5',
      '9f01ff',
      'a101',
      '9c',
      '82f97e0001',
      '811bffffffffffffffff',
    ]) {
      const writer = new RowCborWriter();
      expect(() => writer.row(Buffer.from(hex, 'hex'), 0)).toThrow(RangeError);
      expect(writer.length).toBe(0);
    }
  });
});
