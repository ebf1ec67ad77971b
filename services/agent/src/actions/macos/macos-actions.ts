import type { ActionImplementations } from '../contract/action.js';
import { unsupported } from '../contract/results.js';
import { flushArp, flushDns } from './caches.js';
import { killProcess } from './kill-process.js';
import { logoutSession } from './logout.js';
import { removeApplication } from './remove-application.js';

/** The actions that are specific to macOS. Tested against recorded output only. */
export const MACOS_ACTIONS: ActionImplementations = {
  'process.kill': killProcess,
  'connection.kill': {
    run: () =>
      Promise.resolve(unsupported('no_program', 'macOS has no program that ends a connection of another process')),
  },
  'package.remove': removeApplication(),
  'arp.flush': flushArp,
  'dns.flush': flushDns,
  'session.logout': logoutSession,
};
