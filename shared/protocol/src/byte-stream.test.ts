import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ByteReader, ByteWriter, MalformedBytes } from './byte-stream.js';

function written(...numbers: number[]): Uint8Array {
  const out = new ByteWriter(1);
  for (const number of numbers) out.varint(number);
  return out.finish();
}

const number = fc.oneof(fc.nat(300), fc.maxSafeNat());

test('numbers up to 2^53 − 1 come back as they were', () => {
  fc.assert(
    fc.property(fc.array(number), (numbers) => {
      const input = new ByteReader(written(...numbers));
      expect(numbers.map(() => input.varint())).toEqual(numbers);
      expect(input.done).toBe(true);
    }),
  );
});

test('a cell is 0 for an absent number, else one more than its zigzag code', () => {
  fc.assert(
    fc.property(fc.array(number), (codes) => {
      // Negative zero is no number that a sample has.
      const expected = codes.map((code) =>
        code === 0 ? Number.NaN : (code - 1) % 2 === 1 ? -(code / 2) : (code - 1) / 2,
      );
      const cells = new Float64Array(codes.length);
      const input = new ByteReader(written(...codes));
      input.cells(cells, 0, codes.length);
      expect([...cells]).toEqual(expected);
      expect(input.done).toBe(true);
    }),
  );
});

test('numbers beyond 2^53 − 1, of nine bytes, or without an end are malformed, as numbers and as cells', () => {
  const most = [...written(Number.MAX_SAFE_INTEGER)];
  const above = [...most.slice(0, -1), (most.at(-1) as number) + 1];
  const long = [...Array.from({ length: 8 }, () => 0x80), 0];
  const cut = [0x80, 0xff];
  for (const bytes of [above, long, cut, []]) {
    expect(() => new ByteReader(Uint8Array.from(bytes)).varint()).toThrow(MalformedBytes);
    expect(() => new ByteReader(Uint8Array.from(bytes)).cell()).toThrow(MalformedBytes);
  }
  expect(new ByteReader(Uint8Array.from(most)).varint()).toBe(Number.MAX_SAFE_INTEGER);
  expect(new ByteReader(Uint8Array.from(most)).cell()).toBe((Number.MAX_SAFE_INTEGER - 1) / 2);
  // Longer than needed, and still 0.
  expect(new ByteReader(Uint8Array.of(0x80, 0)).cell()).toBeNaN();
});
