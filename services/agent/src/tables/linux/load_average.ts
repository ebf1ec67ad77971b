import type { Collector } from '../contract/collector.js';

const PERIODS = ['1m', '5m', '15m'] as const;

export const loadAverage: Collector = {
  table: 'load_average',
  *collect(system) {
    const averages = system.word('/proc/loadavg')?.split(' ');
    if (averages === undefined) return;
    for (const [index, period] of PERIODS.entries()) yield { period, average: averages[index] };
  },
};
