import { describe, expect, it } from '@jest/globals';
import { ByteStore } from './byte-store.js';

describe('ByteStore', () => {
  it('holds the chunks one after the other, whatever their sizes', () => {
    const sizes = [0, 1, 4_095, 1, 0, 4_097, 30_000, 1, 70_000];
    const chunks = sizes.map((size, i) => new Uint8Array(size).fill(i + 1));
    const store = new ByteStore();
    for (const chunk of chunks) store.add(chunk);
    expect(Buffer.compare(store.bytes(), Buffer.concat(chunks))).toBe(0);
  });

  it('keeps a copy of the bytes of the caller', () => {
    const store = new ByteStore();
    const chunk = Uint8Array.of(1, 2);
    store.add(chunk);
    chunk.fill(9);
    expect([...store.bytes()]).toEqual([1, 2]);
  });
});
