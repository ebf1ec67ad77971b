import { constants, type BigIntStats } from 'node:fs';
import type { TableRow } from '@muster/tables';
import type { Collector } from '../contract/collector.js';
import type { System } from '../contract/system.js';
import { type CandidatePath, candidatePaths } from './path_patterns.js';

export const file: Collector = {
  table: 'file',
  *collect(system, request) {
    for (const candidate of candidatePaths(system, request)) {
      const row = readFileRow(system, candidate);
      if (row !== undefined) yield row;
    }
  },
};

function readFileRow(system: System, { path, directory }: CandidatePath): TableRow | undefined {
  const link = system.lstat(path);
  if (link === undefined) return undefined;
  const isLink = link.isSymbolicLink();
  // A broken link is described by the link itself.
  const stat = (isLink ? system.stat(path) : undefined) ?? link;
  return {
    path,
    directory,
    filename: path.slice(path.lastIndexOf('/') + 1),
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
