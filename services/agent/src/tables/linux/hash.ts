import { createHash, type Hash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector } from '../contract/collector.js';
import type { System } from '../contract/system.js';
import { candidatePaths } from './path_patterns.js';

const ALGORITHMS = ['md5', 'sha1', 'sha256'] as const;
const CHUNK = 256 * 1024;

export const hash: Collector = {
  table: 'hash',
  *collect(system, request) {
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (const { path, directory } of candidatePaths(system, request)) {
      if (system.stat(path)?.isFile() !== true) continue;
      yield { path, directory, ...hashFile(system, request, path, buffer) };
    }
  },
};

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
