import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { groupMetric, GROUP_METRICS } from '@muster/host-metrics';
import { FakeClock } from '@muster/runtime/testing';
import { Measurements } from '../contract/measurements.js';
import { BoundedCalls } from './bounded-calls.js';
import { FileSystems, type FileSystemUse } from './file-systems.js';

const USE: FileSystemUse = { bsize: 4_096, blocks: 100, bfree: 40, bavail: 30, files: 10, ffree: 4 };
const WIDTH = GROUP_METRICS.filesystem.length;
const LIMIT = groupMetric('filesystem', 'system.filesystem.limit');

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'muster-fs-'));
  mkdirSync(join(root, 'proc/self'), { recursive: true });
  const mounts = ['/', '/a', '/b', '/c'].map((point, i) => `${i} 1 8:${i} / ${point} rw - ext4 /dev/sda${i} rw`);
  writeFileSync(join(root, 'proc/self/mountinfo'), mounts.join('\n'));
});
afterEach(() => rmSync(root, { recursive: true }));

describe('file systems that do not answer', () => {
  test('keep their names, hold up nobody, are not asked again, and come back', async () => {
    const clock = new FakeClock();
    const calls = new BoundedCalls(clock);
    const asked: string[] = [];
    const release: (() => void)[] = [];
    const hanging = new Set(['/a']);
    const fileSystems = new FileSystems({
      root,
      calls,
      ask: (path) => {
        asked.push(path);
        return hanging.has(path) ? new Promise((resolve) => release.push(() => resolve(USE))) : Promise.resolve(USE);
      },
    });
    const limits = async (): Promise<number[]> => {
      const set = new Measurements();
      const done = fileSystems.read(set);
      await clock.advanceAsync(5_000);
      await done;
      expect(set.groups.filesystem?.names).toEqual(['/', '/a', '/b', '/c']);
      return [0, 1, 2, 3].map((i) => set.groups.filesystem!.values[i * WIDTH + LIMIT]!);
    };
    expect(await limits()).toEqual([400, Number.NaN, 400, 400]);
    expect(await limits()).toEqual([400, Number.NaN, 400, 400]);
    expect(asked.filter((path) => path === '/a')).toHaveLength(1);
    // Two threads of the pool are left for others: a third file system is not asked.
    hanging.add('/b');
    expect(await limits()).toEqual([400, Number.NaN, Number.NaN, Number.NaN]);
    expect(calls.hanging).toBe(2);
    expect(await limits()).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    hanging.clear();
    for (const each of release) each();
    await clock.advanceAsync(0);
    expect(await limits()).toEqual([400, 400, 400, 400]);
  });
});
