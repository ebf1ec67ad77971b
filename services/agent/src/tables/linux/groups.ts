import type { Collector } from '../contract/collector.js';
import { parseGroup } from './parse/etc.js';

export const groups: Collector = {
  table: 'groups',
  *collect(system) {
    for (const { gid, groupname } of parseGroup(system.text('/etc/group') ?? '')) {
      yield { gid, gid_signed: gid | 0, groupname };
    }
  },
};
