import type { Collector } from '../contract/collector.js';
import { accounts } from './accounts.js';

export const users: Collector = {
  table: 'users',
  *collect(system, request) {
    for (const account of accounts(system, request)) {
      yield { ...account, uid_signed: account.uid | 0, gid_signed: account.gid | 0, uuid: '' };
    }
  },
};
