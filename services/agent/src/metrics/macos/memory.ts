import { hostMetric } from '@muster/host-metrics';

const usage = (state: string): number => hostMetric('system.memory.usage', { 'system.memory.state': state });
const FREE = usage('free');
const CACHED = usage('cached');
const USED = usage('used');
const SWAP_USED = hostMetric('system.paging.usage', { 'system.paging.state': 'used' });
const SWAP_FREE = hostMetric('system.paging.usage', { 'system.paging.state': 'free' });
const KIB = 1_024;
const UNITS: Readonly<Record<string, number>> = { K: 1, M: 1_024, G: 1_024 ** 2, T: 1_024 ** 3 };

/**
 * Reads `vm_stat` (vm_stat(1)). `cached` is what the Activity Monitor calls so: pages of files, and those that programs
 * allow to be purged. `used` is the rest, with what is compressed in its compressed size. vm_stat leaves the
 * speculative pages out of the free ones, and they are pages of files.
 */
export function parseMemory(text: string, totalBytes: number, host: Float64Array): void {
  const pageBytes = Number(/page size of (\d{4,6}) bytes/.exec(text)?.[1] ?? Number.NaN);
  const bytes = (name: string): number => {
    const pages = new RegExp(`^${name}: +(\\d{1,15})\\.?$`, 'm').exec(text)?.[1];
    return pages === undefined ? Number.NaN : Number(pages) * pageBytes;
  };
  const free = bytes('Pages free');
  const cached = bytes('File-backed pages') + bytes('Pages purgeable');
  const used = totalBytes - free - cached;
  if (!(used >= 0)) return;
  host[FREE] = free / KIB;
  host[CACHED] = cached / KIB;
  host[USED] = used / KIB;
}

/** Reads `sysctl -n vm.swapusage`: `total = 2048.00M  used = 1012.50M  free = 1035.50M  (encrypted)`. */
export function parseSwap(text: string, host: Float64Array): void {
  const kib = (name: string): number => {
    const [, number, unit = ''] = new RegExp(`\\b${name} = (\\d{1,12}\\.\\d{1,2})([KMGT])\\b`).exec(text) ?? [];
    return Number(number ?? Number.NaN) * (UNITS[unit] ?? Number.NaN);
  };
  host[SWAP_USED] = kib('used');
  host[SWAP_FREE] = kib('free');
}
