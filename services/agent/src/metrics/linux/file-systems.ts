import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { GROUP_LIMIT, GROUP_METRICS, groupMetric, hostMetric } from '@muster/host-metrics';
import { readableName } from '../contract/instance-names.js';
import type { Measurements } from '../contract/measurements.js';
import type { BoundedCalls } from './bounded-calls.js';
import { parseLocalMounts } from './parse/mountinfo.js';

const state = (name: string, value: string): number =>
  groupMetric('filesystem', name, { 'system.filesystem.state': value });
const USAGE = 'system.filesystem.usage';
const INODES = 'system.filesystem.inodes.usage';
const LIMIT = groupMetric('filesystem', 'system.filesystem.limit');
const WIDTH = GROUP_METRICS.filesystem.length;
const OMITTED = hostMetric('muster.agent.omitted', { group: 'filesystem' });

export interface FileSystemUse {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

export interface FileSystemsOptions {
  readonly calls: BoundedCalls;
  /** Where `proc` is; empty unless given. */
  readonly root?: string;
  /** Asks the file system at a path: statfs(2) unless given. */
  readonly ask?: (path: string) => Promise<FileSystemUse>;
}

/** Space and inodes of the local file systems. One that does not answer keeps its name and has no values. */
export class FileSystems {
  readonly #options: Required<FileSystemsOptions>;

  constructor(options: FileSystemsOptions) {
    this.#options = { root: '', ask: statfs, ...options };
  }

  async read({ host, groups }: Measurements): Promise<void> {
    const { ask, calls, root } = this.#options;
    const points = mountPoints(`${root}/proc/self/mountinfo`);
    const names = new Map<string, string>();
    for (const point of points) {
      const name = readableName(point);
      if (names.size < GROUP_LIMIT.filesystem && !names.has(name)) names.set(name, point);
    }
    const values = new Float64Array(names.size * WIDTH).fill(Number.NaN);
    let at = 0;
    for (const point of names.values()) {
      const use = await calls.call(point, () => ask(Buffer.from(point, 'latin1').toString('utf8')));
      if (use !== undefined) place(values.subarray(at, at + WIDTH), use);
      at += WIDTH;
    }
    groups.filesystem = { names: [...names.keys()], values };
    host[OMITTED] = points.length - names.size;
  }
}

function place(row: Float64Array, { bsize, blocks, bfree, bavail, files, ffree }: FileSystemUse): void {
  const kib = (count: number): number => (count * bsize) / 1_024;
  row[LIMIT] = kib(blocks);
  row[state(USAGE, 'used')] = kib(blocks - bfree);
  row[state(USAGE, 'free')] = kib(bavail);
  row[state(USAGE, 'reserved')] = kib(Math.max(0, bfree - bavail));
  // Some file systems make inodes as they need them.
  if (files === 0) return;
  row[state(INODES, 'used')] = files - ffree;
  row[state(INODES, 'free')] = ffree;
}

function mountPoints(path: string): string[] {
  try {
    return parseLocalMounts(readFileSync(path, 'latin1'));
  } catch {
    return [];
  }
}
