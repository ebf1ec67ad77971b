import type { Collector } from '../contract/collector.js';

export const uptime: Collector = {
  table: 'uptime',
  *collect(system) {
    const word = system.word('/proc/uptime')?.split(' ')[0];
    if (word === undefined) return;
    const total = Math.floor(Number(word));
    yield {
      days: Math.floor(total / 86_400),
      hours: Math.floor(total / 3_600) % 24,
      minutes: Math.floor(total / 60) % 60,
      seconds: total % 60,
      total_seconds: total,
    };
  },
};
