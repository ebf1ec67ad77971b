import { mkdir, readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** Of the free space and of what NATS has stored. As nats-server takes by itself, and then tells nobody. */
const SHARE = 0.75;
/** More than a machine of one person needs. */
const AT_MOST_BYTES = 64 * 1024 ** 3;

/** What a store may hold, in bytes: that it has grown is no reason for another limit. */
export function limitOf(free: number, stored: number): number {
  return Math.floor(Math.min(AT_MOST_BYTES, SHARE * (free + stored)));
}

/** What the NATS of this machine may store under `folder`: services are told, so that they know how full it is. */
export async function storeLimitBytes(folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  const [{ bavail, bsize }, stored] = await Promise.all([statfs(folder), sizeOf(folder)]);
  return limitOf(bavail * bsize, stored);
}

/** The bytes of all files in a folder. */
export async function sizeOf(folder: string): Promise<number> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((one) => one.isFile()).map((one) => stat(join(one.parentPath, one.name)));
  return (await Promise.all(files)).reduce((sum, { size }) => sum + size, 0);
}
