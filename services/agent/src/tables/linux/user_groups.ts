import type { Collector } from '../contract/collector.js';
import { accounts } from './accounts.js';
import { parseGroup } from './parse/etc.js';

export const userGroups: Collector = {
  table: 'user_groups',
  *collect(system, request) {
    const groups = request.memo('groups', () => parseGroup(system.text('/etc/group') ?? ''));
    for (const { uid, gid, username } of accounts(system, request)) {
      const gids = groups.filter((group) => group.members.includes(username)).map((group) => group.gid);
      for (const one of new Set([gid, ...gids])) yield { uid, gid: one };
    }
  },
};
