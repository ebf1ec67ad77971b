import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { takeRunLock } from './run-lock.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('the second runner in a folder is refused and told who holds it', async () => {
  const path = join(folder, 'run.lock');
  const first = await takeRunLock(path);
  expect(await takeRunLock(path)).toEqual({ kind: 'held', pid: process.pid });
  if (first.kind === 'locked') await first.release();
  expect((await takeRunLock(path)).kind).toBe('locked');
});

test('the lock of a runner that is gone, or whose id was given away, is stale', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  const path = join(folder, 'run.lock');
  for (const content of [`${child.pid} 12345`, `${process.pid} 1`, '']) {
    await writeFile(path, content);
    expect((await takeRunLock(path)).kind).toBe('locked');
  }
});
