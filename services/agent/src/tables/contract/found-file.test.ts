import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FoundFile } from './found-file.js';
import { System } from './system.js';

const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('what is found', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'muster-found-'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    writeFileSync(join(folder, 'file'), 'text');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Whether somebody has the pipe open for reading: without one it cannot be opened for writing (fifo(7)). */
  const isOpened = (pipe: string): boolean => {
    try {
      closeSync(openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK));
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENXIO' });
      return false;
    }
  };

  it.each([
    '',
    '/proc/..',
    '/sys/..',
    '/proc/self/../..',
    '/proc/./..',
    '/proc/self/root',
    '/proc/thread-self/root',
    `/proc/self/task/${process.pid}/root`,
    `/proc/self/cwd/${'../'.repeat(40)}`,
  ])('is not opened, also where its path begins with %p', (before) => {
    const path = `${before}${folder}/pipe`;
    const found = FoundFile.at(path);
    try {
      expect(isOpened(join(folder, 'pipe'))).toBe(false);
    } finally {
      found.close();
    }
    expect(new System().text(`${before}${folder}/file`)).toBe('text');
  });

  it('is opened at once where it is a file of the kernel, which has no pipes', () => {
    const found = FoundFile.at('/proc/self/status');
    const fd = found.open();
    found.close();
    closeSync(fd);
    expect(() => found.open()).toThrow('closed');
  });
});
