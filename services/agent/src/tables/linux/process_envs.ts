import type { Collector } from '../collector.js';
import { parseEnviron } from './parse/proc.js';
import { pidsOf } from './pids.js';

export const processEnvs: Collector = {
  table: 'process_envs',
  *collect(system, request) {
    for (const pid of pidsOf(system, request)) {
      for (const [key, value] of parseEnviron(system.text(`/proc/${pid}/environ`) ?? '')) yield { pid, key, value };
    }
  },
};
