import { bigint, integer, LINUX, sensitive, table, text } from './column.js';
import type { TableSpec } from './table-spec.js';

const HIDDEN = { hidden: true } as const;

/** What happened in the last minutes, where the agent records it. Columns that are always NULL are osquery's. */
export const EVENT_TABLES: readonly TableSpec[] = [
  sensitive(
    'secret',
    table(
      'process_events',
      'Programs that were started in the last minutes, where the agent records it. What the event does not say is looked up in /proc a moment later, and NULL where the process had ended or started another program by then',
      LINUX,
      [
        bigint('pid', 'Process id'),
        text('path', 'Program, as it was named to the kernel: may be relative, or a script'),
        text('mode', 'NULL'),
        text('cmdline', 'All arguments, separated by spaces; the first 4 KiB'),
        bigint('cmdline_size', 'Bytes of all arguments; not more than 128 KiB are counted', HIDDEN),
        text('cwd', 'Current directory'),
        bigint('auid', 'Login user id; 4294967295 without one'),
        bigint('uid', 'Real user id'),
        bigint('euid', 'Effective user id'),
        bigint('gid', 'Real group id'),
        bigint('egid', 'Effective group id'),
        bigint('owner_uid', 'NULL'),
        bigint('owner_gid', 'NULL'),
        bigint('atime', 'NULL'),
        bigint('mtime', 'NULL'),
        bigint('ctime', 'NULL'),
        bigint('btime', 'NULL'),
        text('overflows', 'cmdline when the arguments are cut; empty otherwise', HIDDEN),
        bigint('parent', 'Process id of the parent'),
        bigint('time', 'When, Unix seconds'),
        bigint('uptime', 'When, in seconds since the machine started'),
        text('eid', 'Number of the event', HIDDEN),
        bigint('suid', 'Saved user id'),
        bigint('fsuid', 'User id for files'),
        bigint('sgid', 'Saved group id'),
        bigint('fsgid', 'Group id for files'),
        text('syscall', 'execve; which of the calls it was is not known'),
        bigint(
          'exit_time',
          'When the process ended, Unix seconds; NULL while it runs, when it started another program, and where its end was missed',
          HIDDEN,
        ),
      ],
    ),
  ),
  sensitive(
    'personal',
    table(
      'socket_events',
      'TCP connections and listening sockets of the last minutes, where the agent records it',
      LINUX,
      [
        text(
          'action',
          'connect, accept (the handshake is done; the program may not have taken it yet), listen or close',
        ),
        bigint(
          'pid',
          'Process of connect and listen, or its thread where it had ended before it was looked up; NULL for accept and close, which happen when a packet comes',
        ),
        text(
          'path',
          'Executable file of the process when it was looked up, up to a second later; NULL where it had ended, or where programs are recorded too and it had started another one by then',
        ),
        text('fd', 'NULL'),
        bigint('auid', 'Login user id; 4294967295 without one'),
        text('status', 'connect: in_progress, succeeded or failed; succeeded otherwise'),
        integer('family', 'Address family: 2 IPv4, 10 IPv6'),
        integer('protocol', 'IP protocol number: 6 TCP, 132 SCTP, 262 MPTCP'),
        text('local_address', 'Local address'),
        text('remote_address', 'Address of the other end'),
        integer('local_port', 'Local port; NULL while it is not known'),
        integer('remote_port', 'Port of the other end; 0 for listen'),
        text('socket', 'NULL', HIDDEN),
        bigint('time', 'When, Unix seconds'),
        bigint('uptime', 'When, in seconds since the machine started'),
        text('eid', 'Number of the event', HIDDEN),
        integer('success', '1 when status is succeeded; NULL while it is in progress', HIDDEN),
        text('old_state', "TCP state before it; the kernel's name", HIDDEN),
        text('new_state', 'TCP state after it', HIDDEN),
      ],
    ),
  ),
];
