import { hostMetric } from '@muster/host-metrics';
import type { TextScanner } from './text-scanner.js';

const usage = (state: string): number => hostMetric('system.memory.usage', { 'system.memory.state': state });
const LIMIT = hostMetric('system.memory.limit');
const USED = usage('used');
const FREE = usage('free');
const CACHED = usage('cached');
const BUFFERS = usage('buffers');
const AVAILABLE = hostMetric('system.linux.memory.available');
const SWAP_USED = hostMetric('system.paging.usage', { 'system.paging.state': 'used' });
const SWAP_FREE = hostMetric('system.paging.usage', { 'system.paging.state': 'free' });

const WANTED = [
  'MemTotal:',
  'MemFree:',
  'MemAvailable:',
  'Buffers:',
  'Cached:',
  'SReclaimable:',
  'SwapTotal:',
  'SwapFree:',
];

/**
 * Reads `/proc/meminfo` (proc_meminfo(5)), which is in KiB. `cached` includes the kernel's caches that it gives back
 * when programs need memory, as `free` and `vmstat` count it; `used` is the rest, so that the four states add up to the
 * limit.
 */
export function parseMeminfo(text: TextScanner, host: Float64Array): void {
  const found = new Map<string, number>();
  for (; !text.done && found.size < WANTED.length; text.nextLine()) {
    const key = text.word();
    if (WANTED.includes(key)) found.set(key, text.number());
  }
  const [total, free, available, buffers, cached, reclaimable, swapTotal, swapFree] = WANTED.map(
    (key) => found.get(key) ?? Number.NaN,
  ) as [number, number, number, number, number, number, number, number];
  const caches = cached + (Number.isNaN(reclaimable) ? 0 : reclaimable);
  host[LIMIT] = total;
  host[FREE] = free;
  host[AVAILABLE] = available;
  host[BUFFERS] = buffers;
  host[CACHED] = caches;
  host[USED] = Math.max(0, total - free - buffers - caches);
  host[SWAP_FREE] = swapFree;
  host[SWAP_USED] = Math.max(0, swapTotal - swapFree);
}
