import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeCbor } from './cbor.js';
import { RowJsonWriter, sqlValueToJson } from './row-json.js';
import { decodeRow, type SqlValue } from './rows.js';

const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  fc.nat(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
  fc.string({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }),
);
const jsonOf = (row: Uint8Array): unknown[] => decodeRow(row).map(sqlValueToJson);
const textOf = (rows: Uint8Array, keys?: readonly string[]): string => {
  const writer = new RowJsonWriter();
  writer.row(rows, 0, keys);
  return Buffer.from(writer.take()).toString();
};

describe('rows as JSON', () => {
  it('are what JSON.stringify makes of their values', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 30 }), (values) => {
        const row = encodeCbor(values);
        expect(textOf(row)).toBe(JSON.stringify(jsonOf(row)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('are objects where keys are given', () => {
    const row = encodeCbor([1, 'a"b']);
    expect(textOf(row, ['"pid":', '"name":'])).toBe('{"pid":1,"name":"a\\"b"}');
    expect(() => textOf(row, ['"pid":'])).toThrow(RangeError);
  });

  it('are written one after the other, with text between them, also beyond what was reserved', () => {
    const rows = Array.from({ length: 2_000 }, (_, i) => encodeCbor([i, `row ${i}`, 'ä'.repeat(i % 300)]));
    const bytes = Buffer.concat(rows);
    const writer = new RowJsonWriter();
    const taken: Uint8Array[] = [];
    writer.text('[');
    for (let at = 0; at < bytes.length;) {
      if (at > 0) writer.text(',');
      at = writer.row(bytes, at);
      if (writer.length > 10_000) taken.push(writer.take());
    }
    writer.text(']');
    const text = Buffer.concat([...taken, writer.take()]).toString();
    expect(JSON.parse(text)).toEqual(rows.map(jsonOf));
    expect(taken.length).toBeGreaterThan(5);
    expect(writer.length).toBe(0);
  });

  it.each([0, 9, 10, 99, 100, 999_999_999, 1_000_000_000, 4_294_967_295, 4_294_967_296])(
    'write %p exactly',
    (number) => {
      expect(textOf(encodeCbor([number, -number]))).toBe(JSON.stringify([number, -number]));
    },
  );

  it('tell apart integers around 2^53, and escape what JSON must escape', () => {
    const row = encodeCbor([
      9007199254740991,
      9007199254740992n,
      -9007199254740992n,
      '"\\\u0000\u2028\ud83d\ude00\u007f',
      null,
    ]);
    expect(textOf(row)).toBe(JSON.stringify(jsonOf(row)));
    expect(textOf(row)).toContain('9007199254740991,"9007199254740992","-9007199254740992"');
  });

  it('are UTF-8 also where an endpoint sent text that is not', () => {
    // A text of two bytes, ff and "a".
    expect(textOf(Buffer.from('8162ff61', 'hex'))).toBe('["\ufffda"]');
  });

  it('are refused where they are no rows', () => {
    for (const hex of ['', '01', '8181', '8163', '81f5', '9f01ff', 'a101', '9c']) {
      // Nothing of the row before is left over.
      expect(textOf(Buffer.from('80', 'hex'))).toBe('[]');
      expect(() => textOf(Buffer.from(hex, 'hex'))).toThrow(RangeError);
    }
  });
});

describe('a value in JSON', () => {
  it.each<[string, SqlValue, unknown]>([
    ['null', null, null],
    ['a safe integer', 9_007_199_254_740_991, 9_007_199_254_740_991],
    ['an integer beyond 2^53', 9_007_199_254_740_993n, '9007199254740993'],
    ['the smallest integer', -(2n ** 63n), '-9223372036854775808'],
    ['a bigint that is safe', 5n, 5],
    ['the largest safe bigint', 9_007_199_254_740_991n, 9_007_199_254_740_991],
    ['the smallest safe bigint', -9_007_199_254_740_991n, -9_007_199_254_740_991],
    ['the next smaller bigint', -9_007_199_254_740_992n, '-9007199254740992'],
    ['infinity', Infinity, 'Infinity'],
    ['minus infinity', -Infinity, '-Infinity'],
    ['text with NUL and four-byte characters', 'a\u0000\u{1f600}', 'a\u0000\u{1f600}'],
    ['a blob', Uint8Array.of(0, 255), { $blob: 'AP8=' }],
    ['an empty blob', new Uint8Array(), { $blob: '' }],
  ])('is exact for %s', (_what, given, expected) => {
    expect(sqlValueToJson(given)).toEqual(expected);
    expect(JSON.parse(JSON.stringify(sqlValueToJson(given)))).toEqual(expected);
  });

  it('of a blob does not show what lies around it', () => {
    const around = Uint8Array.of(1, 2, 3, 4, 5);
    expect(sqlValueToJson(around.subarray(1, 3))).toEqual({ $blob: 'AgM=' });
  });
});
