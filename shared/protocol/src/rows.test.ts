import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeCbor } from './cbor.js';
import { countRows, decodeRow, decodeRows, forEachRow, measureRows, skipRow, type SqlValue } from './rows.js';

const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.uint8Array({ maxLength: 300 }),
);
const table = fc
  .integer({ min: 1, max: 30 })
  .chain((columns) =>
    fc.tuple(
      fc.constant(columns),
      fc.array(fc.array(value, { minLength: columns, maxLength: columns }), { maxLength: 8 }),
    ),
  );
const sequence = (rows: readonly (readonly SqlValue[])[]): Uint8Array =>
  Uint8Array.from(Buffer.concat(rows.map((row) => encodeCbor(row))));

describe('rows', () => {
  it('are counted, walked and decoded as they were encoded', () => {
    fc.assert(
      fc.property(table, ([columns, rows]) => {
        const bytes = sequence(rows);
        expect(countRows(bytes, columns)).toBe(rows.length);
        expect(decodeRows(bytes, columns)).toEqual(rows);
        const seen: SqlValue[][] = [];
        let last = 0;
        forEachRow(bytes, columns, (start, end) => {
          expect(start).toBe(last);
          last = end;
          seen.push(decodeRow(bytes.subarray(start, end)));
        });
        expect([seen, last]).toEqual([rows, bytes.length]);
      }),
    );
  });

  it('that are cut off anywhere are malformed, except between rows', () => {
    const rows = [
      ['a', 1, null],
      ['bb', 70_000, new Uint8Array(30)],
      ['', 0.1, 'x'.repeat(300)],
    ];
    const bytes = sequence(rows);
    const ends = new Set([0]);
    forEachRow(bytes, 3, (_start, end) => ends.add(end));
    for (let length = 0; length <= bytes.length; length += 1) {
      expect(countRows(bytes.subarray(0, length), 3) >= 0).toBe(ends.has(length));
    }
  });

  it('are measured', () => {
    const rows = [['a'], ['x'.repeat(100)], ['bb']];
    expect(measureRows(sequence(rows), 1)).toEqual({ count: 3, longest: 103 });
    expect(measureRows(new Uint8Array(), 1)).toEqual({ count: 0, longest: 0 });
    expect(measureRows(sequence(rows), 2)).toBeUndefined();
  });

  it.each([
    ['2^63 - 1', '1b7fffffffffffffff', 1],
    ['2^63', '1b8000000000000000', -1],
    ['2^64 - 1', '1bffffffffffffffff', -1],
    ['-2^63', '3b7fffffffffffffff', 1],
    ['-2^63 - 1', '3b8000000000000000', -1],
    ['an infinity as half', 'f97c00', 1],
    ['an infinity as single', 'faff800000', 1],
    ['an infinity as double', 'fb7ff0000000000000', 1],
    ['a NaN as half', 'f97e00', -1],
    ['a negative NaN as half', 'f9fc01', -1],
    ['a NaN as single', 'fa7fc00000', -1],
    ['a NaN as double', 'fb7ff0000000000001', -1],
  ])('have values of SQLite alone: %s', (_what, hex, count) => {
    expect(countRows(Buffer.from(`81${hex}`, 'hex'), 1)).toBe(count);
  });

  it('end nowhere when they are malformed', () => {
    for (const hex of ['811b8000000000000000', `811c${'00'.repeat(16)}`, `811f${'00'.repeat(128)}`, '81', '8162ff']) {
      expect(skipRow(Buffer.from(hex, 'hex'), 0, 1)).toBe(-1);
    }
    expect(skipRow(Buffer.from('8101', 'hex'), 0, 1)).toBe(2);
  });

  it('of another number of columns are malformed', () => {
    fc.assert(
      fc.property(table, fc.integer({ min: 0, max: 40 }), ([columns, rows], other) => {
        fc.pre(other !== columns && rows.length > 0);
        expect(countRows(sequence(rows), other)).toBe(-1);
      }),
    );
  });

  it('are never read beyond their bytes, whatever those are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 0, max: 4 }), (bytes, columns) => {
        const end = skipRow(bytes, 0, columns);
        expect(end).toBeLessThanOrEqual(bytes.length);
        const count = countRows(bytes, columns);
        if (count > 0) expect(decodeRows(bytes, columns)).toHaveLength(count);
      }),
      { numRuns: 5_000 },
    );
  });

  it('do not take lengths of eight bytes for small ones', () => {
    const huge = Uint8Array.of(0x81, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00);
    expect(countRows(huge, 1)).toBe(-1);
  });

  it('are none in an empty answer', () => {
    expect(countRows(new Uint8Array(), 5)).toBe(0);
    expect(decodeRows(new Uint8Array(), 5)).toEqual([]);
  });
});
