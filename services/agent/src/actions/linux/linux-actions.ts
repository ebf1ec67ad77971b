import type { ActionImplementations } from '../contract/action.js';
import { flushArp } from './flush-arp.js';
import { flushDns } from './flush-dns.js';
import { killConnection } from './kill-connection.js';
import { killProcess } from './kill-process.js';
import { logout } from './logout.js';

/** The actions that are specific to Linux. */
export const LINUX_ACTIONS: ActionImplementations = {
  'process.kill': killProcess,
  'connection.kill': killConnection(),
  'arp.flush': flushArp,
  'dns.flush': flushDns(),
  'session.logout': logout(),
};
