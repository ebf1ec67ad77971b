import { describe, expect, it } from '@jest/globals';
import { decodeRow, encodeCbor, type SqlValue } from '@muster/protocol';
import { createSqlEngine } from './sql-engine.js';

async function encodeThroughSqlite(value: SqlValue): Promise<Uint8Array> {
  const engine = await createSqlEngine({
    tables: [{ name: 't', description: '', platforms: [], columns: [{ name: 'v', type: 'BLOB', description: '' }] }],
    provider: { has: () => true, collect: () => [{ v: value }] },
  });
  const chunks: Uint8Array[] = [];
  const result = engine.execute('SELECT v FROM t', { onRows: (chunk) => void chunks.push(chunk) });
  engine.close();
  expect(result).toMatchObject({ ok: true, rows: 1 });
  return Buffer.concat(chunks);
}

const INTEGERS = [0, 23, 24, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296, 9_007_199_254_740_991];
const FRACTIONS = [
  0.5,
  -1.5,
  0.1,
  1e300,
  5.960464477539063e-8,
  3.4028234663852886e38,
  65_504.5,
  1e-40,
  Infinity,
  -Infinity,
];
const TEXTS = ['', 'a', 'x'.repeat(23), 'x'.repeat(24), 'x'.repeat(256), 'é😀\0z', 'x'.repeat(65_536)];

describe('the row encoder', () => {
  it.each<SqlValue>([
    null,
    ...INTEGERS,
    ...INTEGERS.map((value) => -1 - value).filter((value) => Number.isSafeInteger(value)),
    9_007_199_254_740_992n,
    -9_007_199_254_740_993n,
    9_223_372_036_854_775_807n,
    -9_223_372_036_854_775_808n,
    ...FRACTIONS,
    ...TEXTS,
    new Uint8Array(),
    new Uint8Array(300).fill(7),
  ])('writes the same bytes as a deterministic CBOR encoder: %.30p', async (value) => {
    expect(Buffer.from(await encodeThroughSqlite(value)).toString('hex')).toBe(
      Buffer.from(encodeCbor([value])).toString('hex'),
    );
  });

  it('distinguishes an integral REAL from an INTEGER', async () => {
    const engine = await createSqlEngine({ tables: [] });
    const chunks: Uint8Array[] = [];
    // The last one is the largest subnormal half.
    engine.execute('SELECT 1.0, 1, -2.0, 65504.0, 100000.0, 16777217.0, 6.097555160522461e-5', {
      onRows: (chunk) => void chunks.push(chunk),
    });
    engine.close();
    const bytes = Buffer.concat(chunks);
    expect(bytes.toString('hex')).toBe(
      '87' + 'f93c00' + '01' + 'f9c000' + 'f97bff' + 'fa47c35000' + 'fb4170000010000000' + 'f903ff',
    );
    expect(decodeRow(bytes)).toEqual([1, 1, -2, 65_504, 100_000, 16_777_217, 6.097555160522461e-5]);
  });
});
