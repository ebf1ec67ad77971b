import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RecordStore } from './record-store.js';

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

test('it has what was put in last, whatever was put in, replaced and deleted before', () => {
  const ROWS = 40;
  const lengths = fc.oneof(fc.nat(600), fc.nat(9_000));
  const changes = fc.array(fc.tuple(fc.nat(ROWS - 1), lengths, fc.integer({ min: 1, max: 255 })), { maxLength: 200 });
  fc.assert(
    fc.property(changes, (all) => {
      const [store, model] = [new RecordStore(), new Map<number, Uint8Array>()];
      store.resize(ROWS / 2);
      store.resize(ROWS);
      for (const [row, length, value] of all) {
        if (value % 5 === 0) {
          store.delete(row);
          model.delete(row);
          continue;
        }
        store.set(row, filled(length, value));
        if (length === 0) model.delete(row);
        else model.set(row, filled(length, value));
      }
      for (let row = 0; row < ROWS; row += 1) {
        if (store.has(row) !== model.has(row)) throw new Error(`row ${row}`);
        expect(Buffer.from(store.get(row) ?? []).equals(model.get(row) ?? new Uint8Array(0))).toBe(true);
      }
    }),
    { numRuns: 40 },
  );
});

test('a record is a copy, whatever bytes it came in', () => {
  const store = new RecordStore();
  store.resize(2);
  const message = Buffer.alloc(100_000, 1);
  store.set(0, message.subarray(10, 5_010));
  store.set(1, message.subarray(10, 110));
  message.fill(2);
  for (const row of [0, 1]) expect(store.get(row)?.every((byte) => byte === 1)).toBe(true);
  expect(store.get(0)?.buffer.byteLength).toBe(5_000);
});

describe('the room that it takes', () => {
  const ROWS = 5_000;
  // One for all, so that the test itself leaves nothing behind that counts.
  const scratch = new Uint8Array(4_096);
  let store: RecordStore;
  beforeEach(() => {
    store = new RecordStore();
    store.resize(ROWS);
  });
  const setAll = (lengthOf: (row: number) => number): void => {
    for (let row = 0; row < ROWS; row += 1) store.set(row, scratch.subarray(0, lengthOf(row)));
  };
  const growth = (change: () => void): number => {
    const before = process.memoryUsage().arrayBuffers;
    change();
    return process.memoryUsage().arrayBuffers - before;
  };

  test('does not grow with records that are replaced by others', () => {
    const round = (seed: number): void => setAll((row) => 150 + ((row * 31 + seed * 17) % 200));
    const first = growth(() => round(0));
    expect(first).toBeGreaterThan(ROWS * 200);
    const later = growth(() => {
      for (let seed = 1; seed < 20; seed += 1) round(seed);
    });
    expect(later).toBeLessThan(first / 2);
  });

  test('is that of the longest records when all of them change their length', () => {
    setAll(() => 3_000);
    expect(growth(() => [100, 1_000, 50, 2_000, 400, 700].forEach((length) => setAll(() => length)))).toBeLessThan(
      ROWS * 200,
    );
  });
});

test('with a bound it says what fits, and takes no more', () => {
  const [ROWS, maxBytes] = [3_000, 512 * 1024];
  const store = new RecordStore({ maxBytes });
  store.resize(ROWS);
  const refused = { short: 0, long: 0 };
  const setAll = (lengthOf: (row: number) => number): void => {
    for (let row = 0; row < ROWS; row += 1) {
      const length = lengthOf(row);
      if (store.fits(row, length)) store.set(row, filled(length, 1));
      else refused[length > 4_096 ? 'long' : 'short'] += 1;
      expect(store.bytes).toBeLessThanOrEqual(maxBytes);
    }
  };
  setAll((row) => (row % 100 === 0 ? 5_000 : 200 + (row % 5) * 100));
  expect([refused.short > 0, refused.long > 0]).toEqual([true, true]);
  // What is there may be replaced by what is as long.
  for (let row = 0; row < ROWS; row += 1) {
    const length = store.get(row)?.length ?? 0;
    if (length > 0) expect([store.fits(row, length), store.fits(undefined, 60_000)]).toEqual([true, false]);
  }
  for (let row = 0; row < ROWS; row += 1) store.delete(row);
  expect([store.fits(undefined, 200), store.fits(0, 300)]).toEqual([true, true]);
});

test('a store that was full takes long records where pages are empty again', () => {
  const [ROWS, maxBytes] = [3_000, 512 * 1024];
  const store = new RecordStore({ maxBytes });
  store.resize(ROWS);
  for (let row = 0; row < ROWS && store.fits(row, 700); row += 1) store.set(row, filled(700, 1));
  expect([store.fits(undefined, 60_000), store.meanBytes]).toEqual([false, 700]);
  for (let row = 100; row < ROWS; row += 1) store.delete(row);
  for (let row = ROWS - 5; row < ROWS; row += 1) {
    expect(store.fits(row, 60_000)).toBe(true);
    store.set(row, filled(60_000, 2));
    expect(store.bytes).toBeLessThanOrEqual(maxBytes);
  }
  for (let row = 100; row < 200 && store.fits(row, 300); row += 1) store.set(row, filled(300, 3));
  const first = [0, 99, ROWS - 1].map((row) => store.get(row)?.[0]);
  expect([first, store.get(100)?.[299], store.bytes <= maxBytes]).toEqual([[1, 1, 2], 3, true]);
});
