import type { TableRow } from '@muster/tables';
import type { Collector } from '../contract/collector.js';
import { aptSources } from './apt_sources.js';
import { authorizedKeys } from './authorized_keys.js';
import { blockDevices } from './block_devices.js';
import { certificates } from './certificates.js';
import { chromeExtensions } from './chrome_extensions.js';
import { cpuTime } from './cpu_time.js';
import { crontab } from './crontab.js';
import { debPackages } from './deb_packages.js';
import { file } from './file.js';
import { groups } from './groups.js';
import { hash } from './hash.js';
import { interfaceAddresses } from './interface_addresses.js';
import { interfaceDetails } from './interface_details.js';
import { kernelInfo } from './kernel_info.js';
import { kernelModules } from './kernel_modules.js';
import { last } from './last.js';
import { listeningPorts } from './listening_ports.js';
import { loadAverage } from './load_average.js';
import { loggedInUsers } from './logged_in_users.js';
import { memoryInfo } from './memory_info.js';
import { mounts } from './mounts.js';
import { npmPackages } from './npm_packages.js';
import { osVersion } from './os_version.js';
import { parseHosts, parseProtocols, parseResolvConf, parseServices } from './parse/etc.js';
import { parseArp } from './parse/net.js';
import { platformInfo } from './platform_info.js';
import { processEnvs } from './process_envs.js';
import { processOpenFiles } from './process_open_files.js';
import { processOpenSockets } from './process_open_sockets.js';
import { processes } from './processes.js';
import { pythonPackages } from './python_packages.js';
import { routes } from './routes.js';
import { rpmPackages } from './rpm_packages.js';
import { startupItems } from './startup_items.js';
import { sudoers } from './sudoers.js';
import { systemInfo } from './system_info.js';
import { systemdUnits } from './systemd_units.js';
import { uptime } from './uptime.js';
import { userGroups } from './user_groups.js';
import { users } from './users.js';

/** A table that is parsed from one text file. */
function textFile(table: string, path: string, parse: (text: string) => Iterable<TableRow>): Collector {
  return { table, collect: (system) => parse(system.text(path) ?? '') };
}

/** All Linux collectors. Those that are more than a parsed text file have a file named for their table. */
export const LINUX_COLLECTORS: readonly Collector[] = [
  textFile('arp_cache', '/proc/net/arp', parseArp),
  textFile('dns_resolvers', '/etc/resolv.conf', parseResolvConf),
  textFile('etc_hosts', '/etc/hosts', parseHosts),
  textFile('etc_protocols', '/etc/protocols', parseProtocols),
  textFile('etc_services', '/etc/services', parseServices),
  aptSources,
  authorizedKeys,
  blockDevices,
  certificates,
  chromeExtensions,
  cpuTime,
  crontab,
  debPackages,
  file,
  groups,
  hash,
  interfaceAddresses,
  interfaceDetails,
  kernelInfo,
  kernelModules,
  last,
  listeningPorts,
  loadAverage,
  loggedInUsers,
  memoryInfo,
  mounts,
  npmPackages,
  osVersion,
  platformInfo,
  processEnvs,
  processOpenFiles,
  processOpenSockets,
  processes,
  pythonPackages,
  routes,
  rpmPackages,
  startupItems,
  sudoers,
  systemInfo,
  systemdUnits,
  uptime,
  userGroups,
  users,
];
