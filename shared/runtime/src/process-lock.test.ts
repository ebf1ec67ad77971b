import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isLockText, takeProcessLock } from './process-lock.js';
import { SmallDisk } from './testing/small-disk.js';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-lock-'));
  path = join(folder, 'run.lock');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('the second process is refused and told who holds the lock, until it is released', async () => {
  const first = await takeProcessLock(path);
  expect(await takeProcessLock(path)).toEqual({ kind: 'held', pid: process.pid });
  if (first.kind === 'locked') await first.release();
  expect((await takeProcessLock(path)).kind).toBe('locked');
  expect(await readdir(folder)).toEqual(['run.lock']);
});

test('the lock of a process that is gone, or whose id was given away, is stale', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  for (const content of [`${child.pid} 12345`, `${child.pid} unknown`, `${process.pid} 1`, '', '-1 unknown', 'x']) {
    await rm(path, { force: true });
    await writeFile(path, content);
    expect((await takeProcessLock(path)).kind).toBe('locked');
  }
  for (const text of [`${child.pid} 12345`, `${child.pid} unknown`, `${process.pid} 1`]) {
    await rm(path, { force: true });
    await symlink(text, path);
    expect((await takeProcessLock(path)).kind).toBe('locked');
    expect(isLockText(await readlink(path))).toBe(true);
  }
});

test('a full disk does not keep a process from its lock, nor from a stale one, and nothing else is left there', async () => {
  const missing = SmallDisk.missing();
  if (missing !== undefined) return void process.stderr.write(`skipped: ${missing}\n`);
  const disk = SmallDisk.mount(256 * 1024);
  try {
    const lock = join(disk.path, 'run.lock');
    disk.fill();
    await expect(writeFile(join(disk.path, 'any'), 'x')).rejects.toThrow('ENOSPC');
    await rm(join(disk.path, 'any'));
    for (const before of [undefined, `${process.pid} 1`]) {
      if (before !== undefined) await symlink(before, lock);
      const taken = await takeProcessLock(lock);
      expect(await takeProcessLock(lock)).toEqual({ kind: 'held', pid: process.pid });
      expect((await readdir(disk.path)).sort()).toEqual(['filler', 'run.lock']);
      if (taken.kind === 'locked') await taken.release();
    }
    expect(await readdir(disk.path)).toEqual(['filler']);
  } finally {
    disk.end();
  }
});

test('where nobody says when a process began, its id alone counts', async () => {
  await writeFile(path, `${process.pid} unknown`);
  expect(await takeProcessLock(path)).toEqual({ kind: 'held', pid: process.pid });
});

test('of many that come at once, over a stale lock or none, exactly one gets it', async () => {
  for (let i = 0; i < 100; i += 1) {
    await rm(path, { force: true });
    if (i % 2 === 0) await writeFile(path, `${process.pid} 1`);
    const taken = await Promise.all(Array.from({ length: 20 }, () => takeProcessLock(path)));
    expect(taken.filter(({ kind }) => kind === 'locked')).toHaveLength(1);
  }
  expect(await readdir(folder)).toEqual(['run.lock']);
});

test('who died while it took a stale lock away holds up nobody', async () => {
  await writeFile(path, `${process.pid} 1`);
  await writeFile(`${path}.turn`, `${process.pid} 2`);
  expect(await takeProcessLock(path)).toMatchObject({ kind: 'locked' });
  expect(await readdir(folder)).toEqual(['run.lock']);
});

test('a folder that is not there is an error, not a held lock', async () => {
  await expect(takeProcessLock(join(folder, 'no', 'run.lock'))).rejects.toThrow(/ENOENT/);
});

test.each([
  ['a link that leads nowhere', (at: string) => symlink('/nowhere/at/all', at)],
  ['a folder', (at: string) => mkdir(at)],
  ['a pipe', async (at: string) => void execFileSync('mkfifo', [at])],
])('%s in the place of the lock is named, and nobody waits for it', async (_what, put) => {
  await put(path);
  await expect(takeProcessLock(path)).rejects.toThrow(`${path} is in the place of a lock and is not one`);
  await rm(path, { recursive: true });
  await writeFile(path, `${process.pid} 1`);
  await put(`${path}.turn`);
  await expect(takeProcessLock(path)).rejects.toThrow(`${path}.turn is in the place of a lock`);
});
