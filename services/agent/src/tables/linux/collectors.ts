import type { TableRow } from '@muster/tables';
import type { Collector } from '../contract/system.js';
import { certificates } from './certificates.js';
import { chromeExtensions } from './chrome_extensions.js';
import { DOCKER_COLLECTORS } from './docker/docker-tables.js';
import { extendedAttributes } from './extended-attributes.js';
import { FILE_COLLECTORS } from './files.js';
import { FIREWALL_COLLECTORS } from './firewall.js';
import { FIRMWARE_COLLECTORS } from './firmware.js';
import { HARDWARE_COLLECTORS } from './hardware.js';
import { KERNEL_SETTING_COLLECTORS } from './kernel-settings.js';
import { magic } from './magic.js';
import { NETWORK_COLLECTORS } from './network.js';
import { PACKAGE_SOURCE_COLLECTORS } from './package-sources.js';
import { PACKAGE_COLLECTORS } from './packages.js';
import { parseHosts, parseProtocols, parseResolvConf, parseServices } from './parse/etc.js';
import { PROCESS_DETAIL_COLLECTORS } from './process-details.js';
import { PROCESS_COLLECTORS } from './processes.js';
import { SOCKET_COLLECTORS } from './sockets.js';
import { STARTUP_COLLECTORS } from './startup.js';
import { STORAGE_COLLECTORS } from './storage.js';
import { sudoers } from './sudoers.js';
import { suidBin } from './suid-bin.js';
import { SYSTEM_COLLECTORS } from './system.js';
import { systemdUnits } from './systemd_units.js';
import { USER_SOFTWARE_COLLECTORS } from './user-software.js';
import { TRACE_COLLECTORS } from './user-traces.js';
import { USER_COLLECTORS } from './users.js';

/** A table that is parsed from one text file. */
function textFile(table: string, path: string, parse: (text: string) => Iterable<TableRow>): Collector {
  return { table, collect: (system) => parse(system.text(path) ?? '') };
}

/** All Linux collectors. Small ones are grouped as their tables are in the catalogue. */
export const LINUX_COLLECTORS: readonly Collector[] = [
  textFile('dns_resolvers', '/etc/resolv.conf', parseResolvConf),
  textFile('etc_hosts', '/etc/hosts', parseHosts),
  textFile('etc_protocols', '/etc/protocols', parseProtocols),
  textFile('etc_services', '/etc/services', parseServices),
  ...DOCKER_COLLECTORS,
  ...FILE_COLLECTORS,
  ...NETWORK_COLLECTORS,
  ...PACKAGE_COLLECTORS,
  ...PROCESS_COLLECTORS,
  ...SOCKET_COLLECTORS,
  ...STARTUP_COLLECTORS,
  ...STORAGE_COLLECTORS,
  ...SYSTEM_COLLECTORS,
  ...FIREWALL_COLLECTORS,
  ...FIRMWARE_COLLECTORS,
  ...HARDWARE_COLLECTORS,
  ...KERNEL_SETTING_COLLECTORS,
  ...PACKAGE_SOURCE_COLLECTORS,
  ...PROCESS_DETAIL_COLLECTORS,
  ...TRACE_COLLECTORS,
  ...USER_SOFTWARE_COLLECTORS,
  extendedAttributes,
  magic,
  suidBin,
  ...USER_COLLECTORS,
  certificates,
  chromeExtensions,
  sudoers,
  systemdUnits,
];
