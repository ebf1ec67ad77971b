import type { Collector } from '../contract/collector.js';
import { homes } from './accounts.js';
import { parseAuthorizedKeys } from './parse/ssh.js';

const FILES = ['.ssh/authorized_keys', '.ssh/authorized_keys2'] as const;

export const authorizedKeys: Collector = {
  table: 'authorized_keys',
  *collect(system, request) {
    for (const { uid, directory } of homes(system, request)) {
      for (const name of FILES) {
        const path = `${directory}/${name}`;
        for (const key of parseAuthorizedKeys(system.text(path) ?? '')) yield { ...key, uid, key_file: path };
      }
    }
  },
};
