import type { Collector } from '../contract/collector.js';
import { parseUtmp } from './parse/utmp.js';

export const last: Collector = {
  table: 'last',
  *collect(system) {
    for (const record of parseUtmp(system.bytes('/var/log/wtmp') ?? Buffer.alloc(0))) {
      const { user: username, tty, pid, type, typeName, time, host } = record;
      yield { username, tty, pid, type, type_name: typeName, time, host };
    }
  },
};
