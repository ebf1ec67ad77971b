import type { ActionImplementations } from '../action.js';
import { setLabels } from '../agent-labels.js';
import { serviceActions } from './control-service.js';
import { flushArp } from './flush-arp.js';
import { flushDns } from './flush-dns.js';
import { killConnection } from './kill-connection.js';
import { killProcess } from './kill-process.js';
import { logout } from './logout.js';

/** How Linux runs each action. */
export const LINUX_ACTIONS: ActionImplementations = {
  'process.kill': killProcess,
  ...serviceActions(),
  'connection.kill': killConnection(),
  'arp.flush': flushArp,
  'dns.flush': flushDns(),
  'session.logout': logout(),
  'agent.set_labels': setLabels,
};
