import { createHash, type Hash } from 'node:crypto';
import { type BigIntStats, closeSync, constants, readSync } from 'node:fs';
import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { type CandidatePath, candidatePaths } from './path_patterns.js';

const ALGORITHMS = ['md5', 'sha1', 'sha256'] as const;
const CHUNK = 256 * 1024;

/** Files and their hashes. */
export const FILE_COLLECTORS: readonly Collector[] = [
  {
    table: 'file',
    *collect(system, request) {
      for (const candidate of candidatePaths(system, request)) {
        const row = readFileRow(system, candidate);
        if (row !== undefined) yield row;
      }
    },
  },
  {
    table: 'hash',
    *collect(system, request) {
      const buffer = Buffer.allocUnsafe(CHUNK);
      for (const { path, directory, mayTouch, mayFollow } of candidatePaths(system, request)) {
        if (!mayTouch || !mayFollow() || system.stat(path)?.isFile() !== true) continue;
        yield { path, directory, ...hashFile(system, request, path, buffer) };
      }
    },
  },
];

function readFileRow(system: System, { path, directory, mayTouch, mayFollow }: CandidatePath): TableRow | undefined {
  const filename = path.slice(path.lastIndexOf('/') + 1);
  if (!mayTouch) return { path, directory, filename };
  const link = system.lstat(path);
  if (link === undefined) return undefined;
  const isLink = link.isSymbolicLink();
  // A link that is broken, or leads to a remote file system that was not asked for, is described by itself.
  const stat = (isLink && mayFollow() ? system.stat(path) : undefined) ?? link;
  return {
    path,
    directory,
    filename,
    inode: stat.ino,
    uid: stat.uid,
    gid: stat.gid,
    mode: (stat.mode & 0o7777n).toString(8).padStart(4, '0'),
    device: stat.rdev,
    size: stat.size,
    block_size: stat.blksize,
    atime: seconds(stat.atimeNs),
    mtime: seconds(stat.mtimeNs),
    ctime: seconds(stat.ctimeNs),
    btime: seconds(stat.birthtimeNs),
    hard_links: stat.nlink,
    symlink: isLink,
    type: fileType(stat),
    symlink_target_path: isLink ? system.link(path) : '',
  };
}

function seconds(nanoseconds: bigint): bigint {
  return nanoseconds / 1_000_000_000n;
}

const TYPES: ReadonlyMap<number, string> = new Map([
  [constants.S_IFREG, 'regular'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
  [constants.S_IFCHR, 'character'],
  [constants.S_IFBLK, 'block'],
  [constants.S_IFIFO, 'fifo'],
  [constants.S_IFSOCK, 'socket'],
]);

function fileType(stat: BigIntStats): string {
  return TYPES.get(Number(stat.mode) & constants.S_IFMT) ?? 'unknown';
}

/** Reads the file once for all requested hashes. An unreadable file has none. */
function hashFile(system: System, request: CollectRequest, path: string, buffer: Buffer): TableRow {
  const wanted = ALGORITHMS.filter((algorithm) => request.uses(algorithm)).map(
    (algorithm) => [algorithm, createHash(algorithm)] as const,
  );
  if (wanted.length === 0) return {};
  const fd = system.open(path);
  if (fd === undefined) return {};
  try {
    const hashes = wanted.map(([, one]) => one);
    if (!readInto(fd, buffer, hashes, request)) return {};
  } finally {
    closeSync(fd);
  }
  return Object.fromEntries(wanted.map(([algorithm, one]) => [algorithm, one.digest('hex')]));
}

function readInto(fd: number, buffer: Buffer, hashes: readonly Hash[], request: CollectRequest): boolean {
  for (;;) {
    request.checkpoint();
    let read: number;
    try {
      read = readSync(fd, buffer, 0, buffer.length, null);
    } catch {
      return false;
    }
    if (read === 0) return true;
    for (const one of hashes) one.update(buffer.subarray(0, read));
  }
}
