import type { Candidate } from '../contract/instance-selection.js';
import { linesOf } from './sections.js';

/**
 * Name, three sizes, share, where there are inodes two counts of them and a share, mount point. Names and mount points
 * may have blanks; newer systems shorten counts of inodes to `4.2G`.
 */
const FILE_SYSTEM =
  /^(.+?)\s+(\d{1,15})\s+(\d{1,15})\s+(\d{1,15})\s+\d+%(?:\s+([\d.]+[kKMGTP]?)\s+([\d.]+[kKMGTP]?)\s+\d+%)?\s+(\/.*)$/;

/**
 * Reads `df -lk` (df(1)). Volumes of one container share its space: `used` is that of the volume, `free` that of the
 * container, and what others use is neither, so nothing is said of reserved space.
 */
export function parseFileSystems(text: string): Candidate[] {
  return linesOf(text).flatMap((line) => {
    const [, device = '', size = '', used = '', free = '', inodesUsed = '', inodesFree = '', key = ''] =
      FILE_SYSTEM.exec(line) ?? [];
    // The others are of the kernel, or mount what is asked for.
    if (!device.startsWith('/dev/')) return [];
    const values = [Number(size), Number(used), Number(free), Number.NaN, count(inodesUsed), count(inodesFree)];
    return [{ key, values, activity: Number(size) }];
  });
}

function count(word: string): number {
  return /^\d{1,15}$/.test(word) ? Number(word) : Number.NaN;
}

/** Reads `pmset -g batt` (pmset(1)): ` -InternalBattery-0 (id=4653155)	95%; discharging; 4:13 remaining present: true`. */
export function parseBatteries(text: string): Candidate[] {
  return linesOf(text).flatMap((line) => {
    const match = /^\s*-(InternalBattery-\d{1,3})\b[^\t]*\t(\d{1,3})%; ([a-zA-Z ]+);/.exec(line);
    if (match === null) return [];
    const charge = Number(match[2]);
    const values = [charge <= 100 ? charge : Number.NaN, Number(match[3] === 'discharging')];
    return [{ key: match[1] as string, values, activity: 1 }];
  });
}
