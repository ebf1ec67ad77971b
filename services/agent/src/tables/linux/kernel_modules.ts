import type { Collector } from '../contract/collector.js';

export const kernelModules: Collector = {
  table: 'kernel_modules',
  *collect(system) {
    for (const line of (system.text('/proc/modules') ?? '').split('\n')) {
      const [name, size, , usedBy = '', status, address] = line.split(' ');
      if (name === undefined || size === undefined) continue;
      yield { name, size: Number(size), used_by: usedBy.replace(/,$/, ''), status, address };
    }
  },
};
