import { hostMetric } from '@muster/host-metrics';
import type { AnswerRow } from './windows-answer.js';

const usage = (state: string): number => hostMetric('system.memory.usage', { 'system.memory.state': state });
const FREE = usage('free');
const CACHED = usage('cached');
const USED = usage('used');
const SWAP_USED = hostMetric('system.paging.usage', { 'system.paging.state': 'used' });
const SWAP_FREE = hostMetric('system.paging.usage', { 'system.paging.state': 'free' });
const KIB = 1_024;
const MIB_IN_KIB = 1_024;

/**
 * Reads the row of Win32_PerfRawData_PerfOS_Memory: lists of free pages, and the three lists of pages that hold
 * something and are given to whoever needs memory, as the Task Manager's "Cached" has them without what is to be
 * written first. `used` is the rest.
 */
export function readMemory([row]: readonly AnswerRow[], totalBytes: number, host: Float64Array): void {
  if (row === undefined) return;
  const free = row.number(0);
  const cached = row.number(1) + row.number(2) + row.number(3);
  const used = totalBytes - free - cached;
  if (!(used >= 0)) return;
  host[FREE] = free / KIB;
  host[CACHED] = cached / KIB;
  host[USED] = used / KIB;
}

/** Reads the rows of Win32_PageFileUsage, in MiB: a machine may have several page files, or none. */
export function readPaging(rows: readonly AnswerRow[], host: Float64Array): void {
  let size = 0;
  let used = 0;
  for (const row of rows) {
    size += row.number(0);
    used += row.number(1);
  }
  if (!(used <= size)) return;
  host[SWAP_USED] = used * MIB_IN_KIB;
  host[SWAP_FREE] = (size - used) * MIB_IN_KIB;
}
