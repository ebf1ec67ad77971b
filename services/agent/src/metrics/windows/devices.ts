import type { Candidate } from '../contract/instance-selection.js';
import type { AnswerRow } from './windows-answer.js';

/** Times of disks are in units of 100 ns. */
const PER_MS = 10_000;
const SECTOR_BYTES = 512;

/**
 * Reads rows of Win32_PerfRawData_PerfDisk_PhysicalDisk. The busy time is what is not idle, from when this agent began
 * to look: the time that both are counted by has started long before the disk.
 */
export class WindowsDisks {
  #notIdleBefore: ReadonlyMap<string, number> = new Map();

  read(rows: readonly AnswerRow[]): Candidate[] {
    const found: Candidate[] = [];
    const notIdleBefore = new Map<string, number>();
    for (const row of rows) {
      // `0 C: D:`: its number, and what is on it. `_Total` is all of them together.
      const key = row.text(0);
      const [bytesRead, bytesWritten, reads, writes, readTime, writeTime, idle, base] = numbers(row, 1, 8);
      if (!/^\d/.test(key)) continue;
      const notIdle = base - idle;
      const before = this.#notIdleBefore.get(key) ?? notIdle;
      const start = before <= notIdle ? before : notIdle;
      if (!Number.isNaN(start)) notIdleBefore.set(key, start);
      const values = [bytesRead / SECTOR_BYTES, bytesWritten / SECTOR_BYTES, reads, writes];
      const times = [readTime / PER_MS, writeTime / PER_MS, (notIdle - start) / PER_MS];
      found.push({ key, values: [...values, ...times], activity: bytesRead + bytesWritten });
    }
    this.#notIdleBefore = notIdleBefore;
    return found;
  }
}

/** Reads what .NET says of interfaces: name, type, and the counters in the order of the catalogue. */
export function readInterfaces(rows: readonly AnswerRow[]): Candidate[] {
  return rows.flatMap((row) => {
    const key = row.text(0);
    if (key === '' || row.text(1) === 'Loopback') return [];
    const values = numbers(row, 2, 8);
    return [{ key, values, activity: values[0] + values[1] }];
  });
}

type Eight = [number, number, number, number, number, number, number, number];

function numbers(row: AnswerRow, from: number, count: 8): Eight {
  return Array.from({ length: count }, (_, i) => row.number(from + i)) as Eight;
}
