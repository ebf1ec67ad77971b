import type { TableRow } from '@muster/tables';
import type { Collector } from '../contract/system.js';
import { certificates } from './certificates.js';
import { chromeExtensions } from './chrome_extensions.js';
import { FILE_COLLECTORS } from './files.js';
import { NETWORK_COLLECTORS } from './network.js';
import { PACKAGE_COLLECTORS } from './packages.js';
import { parseHosts, parseProtocols, parseResolvConf, parseServices } from './parse/etc.js';
import { parseArp } from './parse/net.js';
import { PROCESS_COLLECTORS } from './processes.js';
import { SOCKET_COLLECTORS } from './sockets.js';
import { STARTUP_COLLECTORS } from './startup.js';
import { STORAGE_COLLECTORS } from './storage.js';
import { sudoers } from './sudoers.js';
import { SYSTEM_COLLECTORS } from './system.js';
import { systemdUnits } from './systemd_units.js';
import { USER_COLLECTORS } from './users.js';

/** A table that is parsed from one text file. */
function textFile(table: string, path: string, parse: (text: string) => Iterable<TableRow>): Collector {
  return { table, collect: (system) => parse(system.text(path) ?? '') };
}

/** All Linux collectors. Small ones are grouped as their tables are in the catalogue. */
export const LINUX_COLLECTORS: readonly Collector[] = [
  textFile('arp_cache', '/proc/net/arp', parseArp),
  textFile('dns_resolvers', '/etc/resolv.conf', parseResolvConf),
  textFile('etc_hosts', '/etc/hosts', parseHosts),
  textFile('etc_protocols', '/etc/protocols', parseProtocols),
  textFile('etc_services', '/etc/services', parseServices),
  ...FILE_COLLECTORS,
  ...NETWORK_COLLECTORS,
  ...PACKAGE_COLLECTORS,
  ...PROCESS_COLLECTORS,
  ...SOCKET_COLLECTORS,
  ...STARTUP_COLLECTORS,
  ...STORAGE_COLLECTORS,
  ...SYSTEM_COLLECTORS,
  ...USER_COLLECTORS,
  certificates,
  chromeExtensions,
  sudoers,
  systemdUnits,
];
