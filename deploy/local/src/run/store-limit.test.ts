import { mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { storeLimitBytes } from './store-limit.js';

test('the store of NATS is bound by its disk, whatever it holds already', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-store-limit-'));
  try {
    const { blocks, bsize } = await statfs(folder);
    const empty = await storeLimitBytes(join(folder, 'nats'));
    expect(empty).toBeGreaterThan(0);
    expect(empty).toBeLessThanOrEqual(Math.min(64 * 1024 ** 3, 0.75 * blocks * bsize));
    await mkdir(join(folder, 'nats', 'jetstream'), { recursive: true });
    await writeFile(join(folder, 'nats', 'jetstream', '1.blk'), Buffer.alloc(8 * 1024 ** 2));
    // Others use the disk too.
    expect(Math.abs((await storeLimitBytes(join(folder, 'nats'))) - empty)).toBeLessThan(0.5 * empty);
  } finally {
    await rm(folder, { recursive: true });
  }
});
