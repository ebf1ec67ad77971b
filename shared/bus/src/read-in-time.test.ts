import { expect, test } from '@jest/globals';
import { readInTime } from './read-in-time.js';
import type { Entry } from './stream-store.js';

const entry = (seq: number): Entry =>
  ({ seq, subject: 'a', data: new Uint8Array(), timestampMs: 0, pending: 0 }) as Entry;

test('entries come as they are read, and a reader that stands still is given up and stopped', async () => {
  let stopped = 0;
  const read = async function* (_: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<Entry> {
    yield entry(1);
    yield entry(2);
    await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
    stopped += 1;
  };
  const seen: number[] = [];
  const reading = async () => {
    for await (const { seq } of readInTime({ read }, 'audit', {}, 20)) seen.push(seq);
  };
  await expect(reading()).rejects.toMatchObject({ name: 'StreamError', code: 'unavailable' });
  expect([seen, stopped]).toEqual([[1, 2], 1]);
});

test('it ends with the entries, and stops reading when its caller does', async () => {
  let isEnded = false;
  const read = async function* (): AsyncGenerator<Entry> {
    try {
      for (let seq = 1; seq <= 3; seq += 1) yield entry(seq);
    } finally {
      isEnded = true;
    }
  };
  const all: number[] = [];
  for await (const { seq } of readInTime({ read }, 'audit', {})) all.push(seq);
  expect([all, isEnded]).toEqual([[1, 2, 3], true]);
  isEnded = false;
  for await (const { seq } of readInTime({ read }, 'audit', {})) if (seq === 2) break;
  expect(isEnded).toBe(true);
});
