import { bigint, EQUAL, integer, LINUX, only, table, text } from './column.js';
import type { TableSpec } from './table-spec.js';

/** What the kernel enforces, and what it knows of processes beyond their state. */
export const KERNEL_TABLES: readonly TableSpec[] = [
  table('process_memory_map', 'Memory regions of processes', LINUX, [
    integer('pid', 'Process id', EQUAL),
    text('start', 'First address, in hex'),
    text('end', 'First address behind it, in hex'),
    text('permissions', 'r, w, x, and p (private) or s (shared)'),
    bigint('offset', 'Where in the file it begins'),
    text('device', 'Major and minor number of the device of the file'),
    integer('inode', 'Inode of the file; 0 without one'),
    text('path', 'File, or a name such as [heap]; empty for anonymous memory'),
    integer('pseudo', '1 when the path is a name of the kernel'),
  ]),
  table('process_namespaces', 'Namespaces of processes, by their numbers; empty where they cannot be read', LINUX, [
    integer('pid', 'Process id', EQUAL),
    text('cgroup_namespace', 'Control groups'),
    text('ipc_namespace', 'Interprocess communication'),
    text('mnt_namespace', 'Mounts'),
    text('net_namespace', 'Network'),
    text('pid_namespace', 'Process ids'),
    text('user_namespace', 'Users'),
    text('uts_namespace', 'Host name'),
  ]),
  table('process_open_pipes', 'Pipes that processes have open, and who is at the other end', LINUX, [
    bigint('pid', 'Process id', EQUAL),
    bigint('fd', 'File descriptor'),
    text('mode', 'r, w or rw'),
    bigint('inode', 'Inode of the pipe'),
    text('type', 'anonymous or named'),
    bigint('partner_pid', 'Process at the other end; NULL when nobody is seen there'),
    bigint('partner_fd', 'Its file descriptor'),
    text('partner_mode', 'Its mode'),
  ]),
  table('system_controls', 'Settings of the kernel (sysctl)', LINUX, [
    text('name', 'Name with dots, as sysctl writes it', EQUAL),
    text('oid', 'Empty on Linux'),
    text('subsystem', 'First part of the name', EQUAL),
    text('current_value', 'Value in effect; NULL when it cannot be read'),
    text('config_value', 'Value in sysctl.conf and sysctl.d'),
    text('type', 'string'),
    text('field_name', 'Part of a value', only('darwin')),
  ]),
  table('interface_ipv6', 'IPv6 settings of network interfaces', LINUX, [
    text('interface', 'Name of the interface'),
    integer('hop_limit', 'Hop limit of what it sends'),
    integer('forwarding_enabled', '1 when it forwards'),
    integer('redirect_accept', '1 when it takes redirects'),
    integer('rtadv_accept', '1 when it takes router advertisements, 2 also when it forwards'),
  ]),
  table(
    'suid_bin',
    'Programs that run with the rights of their owner or group: in the folders of programs and in /tmp',
    LINUX,
    [
      text('path', 'Absolute path'),
      text('username', 'Owner; the id when it has no name'),
      text('groupname', 'Group; the id when it has no name'),
      text('permissions', 'S (set user id), G (set group id) or SG'),
    ],
  ),
  table('selinux_settings', 'State of SELinux; no rows where it does not run', LINUX, [
    text(
      'scope',
      'Folder of the setting: booleans, policy_capabilities, initial_contexts, class; empty for the main ones',
    ),
    text('key', 'Name'),
    text('value', 'Value; of booleans on or off'),
  ]),
  table('apparmor_profiles', 'Profiles that AppArmor has loaded', LINUX, [
    text('path', 'Name, with that of the profile around it'),
    text('name', 'Name of the profile'),
    text('attach', 'Which programs it is for'),
    text('mode', 'enforce, complain, kill or unconfined'),
    text('sha1', 'SHA-1 of the compiled profile; newer kernels have the next one instead'),
    text('sha256', 'SHA-256 of the compiled profile'),
  ]),
  table('secureboot', 'Secure Boot of the firmware; no row without UEFI', LINUX, [
    integer('secure_boot', '1 when it is on, 0 when off, -1 when it cannot be told'),
    integer('setup_mode', '1 in setup mode, when keys can be changed without being signed; -1 when it cannot be told'),
  ]),
];
