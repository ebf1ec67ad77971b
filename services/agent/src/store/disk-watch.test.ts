import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { silentLogger } from '@muster/runtime/program';
import { eventually, FakeClock, SmallDisk } from '@muster/runtime/testing';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DiskWatch } from './disk-watch.js';

const missing = SmallDisk.missing();
if (missing !== undefined) process.stderr.write(`nearly full disks are not tested: ${missing}\n`);
const withDisk = missing === undefined ? describe : describe.skip;

withDisk('the disk of the data directory', () => {
  const clock = new FakeClock();
  const logger = { ...silentLogger, warn: jest.fn(), info: jest.fn() };
  let disk: SmallDisk;
  let watch: DiskWatch;
  beforeEach(() => {
    disk = SmallDisk.mount(1024 * 1024);
    watch = new DiskWatch({ folder: disk.path, clock, logger });
  });
  afterEach(() => disk.end());

  /** The minute passes, and the disk has been looked at. */
  async function look(): Promise<void> {
    clock.advance(60_000);
    await eventually(() => clock.pendingTimers === 1);
  }

  test('is told of once when it becomes nearly full, before it is full, and once when there is room again', async () => {
    watch.start();
    await eventually(() => clock.pendingTimers === 1);
    expect(logger.warn).not.toHaveBeenCalled();
    writeFileSync(join(disk.path, 'much'), Buffer.alloc(960 * 1024));
    await look();
    await look();
    expect(logger.warn).toHaveBeenCalledTimes(1);
    expect(logger.warn).toHaveBeenCalledWith('nearly full', expect.objectContaining({ folder: disk.path }));
    const { freeBytes } = logger.warn.mock.calls[0]![1] as { freeBytes: number };
    expect(freeBytes).toBeGreaterThan(0);
    writeFileSync(join(disk.path, 'much'), '');
    await look();
    expect(logger.info).toHaveBeenCalledTimes(1);
    expect(logger.info).toHaveBeenCalledWith('room again', expect.objectContaining({ folder: disk.path }));
    watch.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
