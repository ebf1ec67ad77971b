import type { Collector } from '../contract/collector.js';
import { pidsOf } from './pids.js';

export const processOpenFiles: Collector = {
  table: 'process_open_files',
  *collect(system, request) {
    for (const pid of pidsOf(system, request)) {
      for (const fd of system.list(`/proc/${pid}/fd`)) {
        const path = system.link(`/proc/${pid}/fd/${fd}`);
        // Sockets and pipes have other names, such as `pipe:[17]`.
        if (path?.startsWith('/') === true) yield { pid, fd: Number(fd), path };
      }
    }
  },
};
