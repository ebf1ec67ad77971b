import type { Collector } from '../contract/collector.js';
import { parseColonLines } from './parse/proc.js';

const KEYS = {
  memory_total: 'MemTotal',
  memory_free: 'MemFree',
  memory_available: 'MemAvailable',
  buffers: 'Buffers',
  cached: 'Cached',
  swap_cached: 'SwapCached',
  active: 'Active',
  inactive: 'Inactive',
  swap_total: 'SwapTotal',
  swap_free: 'SwapFree',
} as const;

export const memoryInfo: Collector = {
  table: 'memory_info',
  *collect(system) {
    const info = parseColonLines(system.text('/proc/meminfo') ?? '');
    if (info.size === 0) return;
    const bytes = (key: string): number | undefined => {
      const kibibytes = parseInt(info.get(key) ?? '', 10);
      return Number.isNaN(kibibytes) ? undefined : kibibytes * 1024;
    };
    yield Object.fromEntries(Object.entries(KEYS).map(([column, key]) => [column, bytes(key)]));
  },
};
