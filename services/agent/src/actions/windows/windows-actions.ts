import type { ActionImplementations } from '../contract/action.js';
import { flushArp, flushDns } from './caches.js';
import { killConnection } from './kill-connection.js';
import { killProcess } from './kill-process.js';
import { logoutSession } from './logout.js';
import { deleteKey, undoDeleteKey } from './registry-key.js';
import { deleteValue, undoDeleteValue } from './registry-value.js';
import { removePackage } from './remove-package.js';

/** The actions that are specific to Windows. Tested against recorded output only. */
export const WINDOWS_ACTIONS: ActionImplementations = {
  'process.kill': killProcess,
  'connection.kill': killConnection,
  'registry.delete_value': { run: deleteValue, undo: undoDeleteValue },
  'registry.delete_key': { run: deleteKey, undo: undoDeleteKey },
  'package.remove': removePackage,
  'arp.flush': flushArp,
  'dns.flush': flushDns,
  'session.logout': logoutSession,
};
