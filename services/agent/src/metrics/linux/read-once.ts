import { closeSync, openSync, readSync } from 'node:fs';

const scratch = Buffer.allocUnsafeSlow(4 * 1024);

/** The first 4 KB of a small file of the kernel, valid until the next call; `undefined` when it cannot be read. */
export function readOnce(path: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    return scratch.subarray(0, readSync(fd, scratch, 0, scratch.length, 0));
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}
