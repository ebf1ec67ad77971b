import type { Collector } from '../contract/collector.js';
import { aptSources } from './apt_sources.js';
import { arpCache } from './arp_cache.js';
import { authorizedKeys } from './authorized_keys.js';
import { blockDevices } from './block_devices.js';
import { certificates } from './certificates.js';
import { chromeExtensions } from './chrome_extensions.js';
import { cpuTime } from './cpu_time.js';
import { crontab } from './crontab.js';
import { debPackages } from './deb_packages.js';
import { dnsResolvers } from './dns_resolvers.js';
import { etcHosts } from './etc_hosts.js';
import { etcProtocols } from './etc_protocols.js';
import { etcServices } from './etc_services.js';
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

/** All Linux collectors. Each has a file named for its table. */
export const LINUX_COLLECTORS: readonly Collector[] = [
  aptSources,
  arpCache,
  authorizedKeys,
  blockDevices,
  certificates,
  chromeExtensions,
  cpuTime,
  crontab,
  debPackages,
  dnsResolvers,
  etcHosts,
  etcProtocols,
  etcServices,
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
