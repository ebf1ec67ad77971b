import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, constants, fstatSync, readSync } from 'node:fs';
import { type CollectRequest, lazy, type TableRow } from '@muster/tables';
import { type Collector, errorCode, type System } from '../contract/system.js';
import { type CandidatePath, candidatePaths } from './path_patterns.js';

const ALGORITHMS = ['md5', 'sha1', 'sha256'] as const;
const CHUNK = 256 * 1024;
/** Files up to this size are hashed however long others took. */
const MAX_QUICK = 8 * 1024 * 1024;

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
      // In a join there is one scan for each path.
      const buffer = request.memo('hash buffer', () => Buffer.allocUnsafe(CHUNK));
      const files = system.ofStatement(() => request.checkpoint());
      for (const { path, directory, mayTouch, mayFollow } of candidatePaths(system, request)) {
        if (!mayTouch || !mayFollow() || system.stat(path)?.isFile() !== true) continue;
        yield { path, directory, ...hashFile(files, request, path, buffer) };
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

/** Reads the file once for all requested hashes, when the first of them is needed. An unreadable file has none. */
function hashFile(system: System, request: CollectRequest, path: string, buffer: Buffer): TableRow {
  const wanted = ALGORITHMS.filter((algorithm) => request.uses(algorithm));
  let hashes: ReadonlyMap<string, string> | undefined;
  const read = (): ReadonlyMap<string, string> => (hashes ??= readHashes(system, request, { path, wanted, buffer }));
  return Object.fromEntries(wanted.map((algorithm) => [algorithm, lazy(() => read().get(algorithm))]));
}

interface HashTask {
  readonly path: string;
  readonly wanted: readonly string[];
  readonly buffer: Buffer;
}

/** One huge file, which may be all hole, must leave time for the others: it gets half of what is left. */
function readHashes(system: System, request: CollectRequest, { path, wanted, buffer }: HashTask): Map<string, string> {
  const slow = request.memo('slow files', () => ({ bytes: Infinity }));
  const fd = system.open(path);
  if (fd === undefined) return new Map();
  try {
    const { size } = fstatSync(fd);
    const hashes = wanted.map((algorithm) => [algorithm, createHash(algorithm)] as const);
    const untilMs = performance.now() + request.remainingMs() / 2;
    let length = 0;
    while (size < slow.bytes) {
      request.checkpoint();
      const read = readSync(fd, buffer, 0, buffer.length, null);
      if (read === 0) return new Map(hashes.map(([algorithm, one]) => [algorithm, one.digest('hex')]));
      for (const [, one] of hashes) one.update(buffer.subarray(0, read));
      length += read;
      if (performance.now() > untilMs) slow.bytes = Math.min(slow.bytes, Math.max(length, MAX_QUICK));
    }
    request.warn('too_slow', `${path} has ${size} bytes: too many to hash in this statement's time`);
  } catch (error) {
    // The time of the statement is over.
    if (errorCode(error) === undefined) throw error;
    system.failed(path, error);
  } finally {
    closeSync(fd);
  }
  return new Map();
}
