import type { Collector } from '../contract/collector.js';

const COLUMNS = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal', 'guest', 'guest_nice'] as const;

export const cpuTime: Collector = {
  table: 'cpu_time',
  *collect(system) {
    for (const [, core, times = ''] of (system.text('/proc/stat') ?? '').matchAll(/^cpu(\d+) (.+)$/gm)) {
      const values = times.trim().split(/\s+/).map(Number);
      yield { core: Number(core), ...Object.fromEntries(COLUMNS.map((name, index) => [name, values[index]])) };
    }
  },
};
