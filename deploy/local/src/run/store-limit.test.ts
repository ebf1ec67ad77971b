import { mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { limitOf, sizeOf, storeLimitBytes } from './store-limit.js';

const GIB = 1024 ** 3;

test('the store of NATS is bound by its disk, whatever it holds already', () => {
  expect(limitOf(40 * GIB, 0)).toBe(30 * GIB);
  // What was stored is not free any more.
  expect(limitOf(30 * GIB, 10 * GIB)).toBe(30 * GIB);
  expect(limitOf(0, 40 * GIB)).toBe(30 * GIB);
  expect(limitOf(1, 2)).toBe(2);
  expect([limitOf(85 * GIB, 0), limitOf(86 * GIB, 0), limitOf(1_000 * GIB, 64 * GIB)]).toEqual([
    ...[63.75 * GIB, 64 * GIB, 64 * GIB],
  ]);
});

test('what it holds are the files in its folder, which is made where there is none', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-store-limit-'));
  try {
    const store = join(folder, 'nats');
    const { blocks, bsize } = await statfs(folder);
    expect(await storeLimitBytes(store)).toBeLessThanOrEqual(limitOf(blocks * bsize, 0));
    expect(await sizeOf(store)).toBe(0);
    await mkdir(join(store, 'jetstream'));
    await writeFile(join(store, 'jetstream', '1.blk'), Buffer.alloc(4_096));
    await writeFile(join(store, 'state'), 'abc');
    expect(await sizeOf(store)).toBe(4_099);
  } finally {
    await rm(folder, { recursive: true });
  }
});
