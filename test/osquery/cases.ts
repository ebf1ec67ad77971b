import type { TableCase } from './box/compare-rows.js';

/** Processes that the box holds: the first one and its children. */
const HELD = 'WHERE pid = $HELD OR pid IN (SELECT pid FROM processes WHERE parent = $HELD)';
const HELD_PROCESSES =
  'processes WHERE pid = $HELD OR parent = $HELD OR parent IN (SELECT pid FROM processes WHERE parent = $HELD)';
const FILES = "path LIKE '/etc/truth/%' OR path = '/etc/truth' OR path = '/dev/null'";
/** Other programs of the machine take memory and give it back meanwhile. */
const OTHERS = 4e9;
const MEMORY = {
  ...{ memory_free: OTHERS, memory_available: OTHERS, buffers: OTHERS, cached: OTHERS },
  ...{ active: OTHERS, inactive: OTHERS },
};
const TICKS = {
  user: 9,
  nice: 9,
  system: 9,
  idle: 9,
  iowait: 9,
  irq: 9,
  softirq: 9,
  steal: 9,
  guest: 9,
  guest_nice: 9,
};
const TRAFFIC = { ipackets: 100, opackets: 100, ibytes: 1e5, obytes: 1e5 };
const FREE = { blocks_free: 1e7, blocks_available: 1e7, inodes_free: 1e6 };

const CLOCK = {
  ...{ year: 1, month: 12, day: 31, hour: 24, minutes: 60, seconds: 60, unix_time: 1 },
  ...{ timestamp: 1_000, datetime: 1_000, iso_8601: 1_000 },
};

const ofUsers = (table: string): string => `users CROSS JOIN ${table} USING (uid)`;

const ofContainers = (table: string): string => `docker_containers CROSS JOIN ${table} USING (id)`;

/** Every table that both have, and how it is asked so that it holds still. */
export const CASES: readonly TableCase[] = [
  { table: 'apt_sources', atLeast: 1 },
  { table: 'arp_cache', atLeast: 2 },
  { table: 'authorized_keys', from: ofUsers('authorized_keys'), atLeast: 3 },
  { table: 'block_devices', atLeast: 0 },
  { table: 'certificates', atLeast: 100 },
  { table: 'chrome_extensions', from: ofUsers('chrome_extensions'), atLeast: 0 },
  { table: 'cpu_time', key: ['core'], moves: TICKS },
  { table: 'crontab', atLeast: 3 },
  { table: 'deb_packages', atLeast: 50 },
  { table: 'dns_resolvers', atLeast: 4 },
  { table: 'etc_hosts', atLeast: 3 },
  { table: 'etc_protocols', atLeast: 3 },
  { table: 'etc_services', atLeast: 4 },
  { table: 'file', from: `file WHERE ${FILES}`, atLeast: 7 },
  { table: 'groups', atLeast: 5 },
  { table: 'hash', from: "hash WHERE path LIKE '/etc/truth/%'", atLeast: 3 },
  { table: 'interface_addresses', atLeast: 6 },
  { table: 'interface_details', key: ['interface'], moves: TRAFFIC, atLeast: 3 },
  { table: 'kernel_info' },
  { table: 'kernel_modules', atLeast: 0 },
  { table: 'last', atLeast: 3 },
  { table: 'listening_ports', atLeast: 5 },
  { table: 'load_average', key: ['period'], moves: { average: 20 }, atLeast: 3 },
  { table: 'logged_in_users', atLeast: 2 },
  { table: 'memory_info', key: ['memory_total'], moves: MEMORY },
  {
    table: 'mounts',
    // What lies beneath another mount cannot be looked at.
    from: "mounts WHERE path NOT LIKE '/sys/%' AND path NOT LIKE '/run/%' AND path NOT LIKE '/var/%' AND path NOT LIKE '/tmp/%'",
    key: ['path', 'device', 'type'],
    moves: FREE,
    atLeast: 4,
  },
  { table: 'npm_packages', from: "npm_packages WHERE directory = '$HOMES/ann/node'", atLeast: 2 },
  { table: 'os_version' },
  { table: 'platform_info' },
  { table: 'process_envs', from: `process_envs ${HELD}`, atLeast: 3 },
  { table: 'process_open_files', from: `process_open_files ${HELD}`, atLeast: 1 },
  { table: 'process_open_sockets', from: 'process_open_sockets WHERE family != 1', atLeast: 6 },
  { table: 'processes', from: HELD_PROCESSES, atLeast: 6 },
  {
    table: 'python_packages',
    from: "users CROSS JOIN python_packages USING (uid) WHERE python_packages.path LIKE '%/.pyenv/%'",
  },
  { table: 'routes', atLeast: 10 },
  { table: 'rpm_packages', atLeast: 0 },
  { table: 'startup_items', atLeast: 2 },
  { table: 'sudoers', atLeast: 5 },
  { table: 'system_info' },
  { table: 'systemd_units', atLeast: 0 },
  { table: 'uptime', key: [], moves: { days: 1, hours: 1, minutes: 1, seconds: 60, total_seconds: 1 } },
  { table: 'user_groups', atLeast: 5 },
  { table: 'users', atLeast: 5 },
  { table: 'apparmor_profiles', atLeast: 0 },
  { table: 'cpu_info', atLeast: 0 },
  { table: 'deb_package_files', from: "deb_package_files WHERE package = 'dash'", atLeast: 5 },
  { table: 'disk_encryption', atLeast: 0 },
  { table: 'docker_container_envs', from: ofContainers('docker_container_envs'), atLeast: 3 },
  { table: 'docker_container_labels', atLeast: 2 },
  { table: 'docker_container_mounts', atLeast: 2 },
  { table: 'docker_container_networks', atLeast: 1 },
  { table: 'docker_container_ports', atLeast: 2 },
  { table: 'docker_containers' },
  { table: 'docker_images', atLeast: 2 },
  { table: 'docker_info' },
  { table: 'docker_networks' },
  { table: 'docker_version' },
  { table: 'docker_volumes' },
  { table: 'firefox_addons', from: ofUsers('firefox_addons'), atLeast: 2 },
  { table: 'interface_ipv6', atLeast: 3 },
  { table: 'known_hosts', from: ofUsers('known_hosts'), atLeast: 3 },
  { table: 'osquery_info' },
  { table: 'pci_devices', atLeast: 0 },
  { table: 'process_memory_map', from: `process_memory_map ${HELD}`, atLeast: 20 },
  { table: 'process_namespaces', from: `process_namespaces ${HELD}`, atLeast: 5 },
  { table: 'process_open_pipes', from: `process_open_pipes ${HELD}`, atLeast: 2 },
  { table: 'rpm_package_files', from: "rpm_package_files WHERE package = 'box'", atLeast: 0 },
  { table: 'secureboot', atLeast: 0 },
  { table: 'selinux_settings', atLeast: 0 },
  { table: 'shadow', atLeast: 5 },
  { table: 'shell_history', from: ofUsers('shell_history'), atLeast: 5 },
  { table: 'ssh_configs', from: ofUsers('ssh_configs'), atLeast: 4 },
  { table: 'suid_bin', from: "suid_bin WHERE path NOT LIKE '/tmp/%'", atLeast: 5 },
  {
    table: 'system_controls',
    // What the kernel counts or draws anew at each reading.
    from: "system_controls WHERE subsystem IN ('vm', 'net', 'abi', 'dev', 'user') OR name LIKE 'fs.%' AND name NOT LIKE '%-%'",
    atLeast: 300,
  },
  { table: 'time', key: ['timezone'], moves: CLOCK },
  { table: 'usb_devices', atLeast: 0 },
  { table: 'user_ssh_keys', from: ofUsers('user_ssh_keys'), atLeast: 5 },
  { table: 'vscode_extensions', from: ofUsers('vscode_extensions'), atLeast: 1 },
  { table: 'yum_sources', atLeast: 3 },
  // Columns only: osquery takes events from the audit system, where it is told to.
  { table: 'process_events', from: 'process_events WHERE 0', atLeast: 0 },
  { table: 'socket_events', from: 'socket_events WHERE 0', atLeast: 0 },
  { table: 'acpi_tables' },
  { table: 'docker_container_processes', from: ofContainers('docker_container_processes'), atLeast: 2 },
  { table: 'docker_image_history', atLeast: 2 },
  { table: 'extended_attributes', from: "extended_attributes WHERE path LIKE '/etc/truth/%'", atLeast: 0 },
  { table: 'iptables', atLeast: 0 },
  {
    table: 'magic',
    from: "magic WHERE path IN ('/etc/truth/plain.txt', '/etc/truth/empty', '/etc/truth/link', '/bin/ls', '/dev/null', '/etc')",
    atLeast: 6,
  },
  { table: 'memory_devices', atLeast: 3 },
  { table: 'portage_packages', atLeast: 0 },
  { table: 'smbios_tables', atLeast: 6 },
];
