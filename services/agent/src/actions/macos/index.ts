import type { ActionImplementations } from '../action.js';
import { setLabels } from '../agent-labels.js';
import { unsupported } from '../results.js';
import { serviceImplementations } from '../service-implementations.js';
import { flushArp, flushDns } from './caches.js';
import { killProcess } from './kill-process.js';
import { logoutSession } from './logout.js';
import { removeApplication } from './remove-application.js';
import { launchd } from './services.js';

/** How macOS runs each action. Tried against recorded outputs only. */
export const MACOS_ACTIONS: ActionImplementations = {
  'process.kill': killProcess,
  ...serviceImplementations(launchd()),
  'connection.kill': {
    run: () =>
      Promise.resolve(unsupported('no_program', 'macOS has no program that ends a connection of another process')),
  },
  'package.remove': removeApplication(),
  'arp.flush': flushArp,
  'dns.flush': flushDns,
  'session.logout': logoutSession,
  'agent.set_labels': setLabels,
};
