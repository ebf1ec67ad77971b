import { lstatSync, readlinkSync } from 'node:fs';
import { textOfBytes } from '@muster/protocol';
import type { CollectRequest, TableRow } from '@muster/tables';
import { type Collector, errorCode, type System } from '../contract/system.js';
import { isSameFile, withoutDeletedMark } from './parse/deleted-mark.js';
import { type Mounts, parseMountinfo, remoteMountOf } from './remote-mounts.js';
import {
  parseBootTime,
  parseCgroup,
  parseCmdline,
  parseColonLines,
  parseEnviron,
  parseIds,
  parseProcStat,
} from './parse/proc.js';

/** USER_HZ: the unit of times in /proc, the same on all current architectures. */
const TICKS_PER_SECOND = 100;
const STATUS_BYTES = 4_096;

/** Credentials of the agent. Operators must not be able to impersonate the endpoint with them. */
const SECRET_NAME = /SECRET|TOKEN|PASSWORD|KEY|(HTTPS?|ALL)_PROXY/i;

/** Processes, their variables and their files. */
export const PROCESS_COLLECTORS: readonly Collector[] = [
  {
    table: 'processes',
    *collect(system, request) {
      const bootTime = request.memo('boot_time', () => parseBootTime(system.text('/proc/stat') ?? ''));
      for (const pid of pidsOf(system, request)) {
        const row = readProcess(system, request, pid, bootTime);
        if (row !== undefined) yield row;
      }
    },
  },
  {
    table: 'process_envs',
    *collect(system, request) {
      for (const pid of pidsOf(system, request)) {
        const own = system.isAgent(pid);
        for (const [key, value] of parseEnviron(system.text(`/proc/${pid}/environ`) ?? '')) {
          yield { pid, key, value: own && SECRET_NAME.test(key) ? null : value };
        }
      }
    },
  },
  {
    table: 'process_open_files',
    *collect(system, request) {
      for (const pid of pidsOf(system, request)) {
        for (const fd of system.list(`/proc/${pid}/fd`)) {
          const path = system.link(`/proc/${pid}/fd/${fd}`);
          // Sockets and pipes have other names, such as `pipe:[17]`.
          if (path?.startsWith('/') === true) yield { pid, fd: Number(fd), path };
        }
      }
    },
  },
];

/** `undefined` when the process has ended. */
function readProcess(
  system: System,
  request: CollectRequest,
  pid: number,
  bootTime: number | undefined,
): TableRow | undefined {
  const base = `/proc/${pid}`;
  const stat = parseProcStat(system.text(`${base}/stat`) ?? '');
  if (stat === undefined) return undefined;
  const milliseconds = (ticks: number): number => Math.round((ticks * 1000) / TICKS_PER_SECOND);
  return {
    pid,
    name: stat.name,
    state: stat.state,
    parent: stat.parent,
    pgroup: stat.group,
    threads: stat.threads,
    nice: stat.nice,
    // Kernel threads and zombies have no memory of their own.
    total_size: stat.virtualBytes === 0 ? undefined : stat.virtualBytes,
    user_time: milliseconds(stat.userTicks),
    system_time: milliseconds(stat.systemTicks),
    start_time: bootTime === undefined ? -1 : bootTime + Math.floor(stat.startTicks / TICKS_PER_SECOND),
    wired_size: 0,
    ...(request.uses('cmdline') && { cmdline: cmdlineOf(system, base) }),
    ...(request.uses('path', 'on_disk') && executable(system, request, base)),
    ...(request.uses('cwd') && { cwd: linkOf(system, `${base}/cwd`) }),
    ...(request.uses('root') && { root: linkOf(system, `${base}/root`) }),
    ...(request.uses('uid', 'euid', 'suid', 'gid', 'egid', 'sgid', 'resident_size') && statusOf(system, base)),
    ...(request.uses('disk_bytes_read', 'disk_bytes_written') && ioOf(system, base)),
    ...(request.uses('cgroup_path') && { cgroup_path: parseCgroup(system.text(`${base}/cgroup`) ?? '') }),
  };
}

function cmdlineOf(system: System, base: string): string | undefined {
  const text = system.text(`${base}/cmdline`);
  return text === undefined ? undefined : parseCmdline(text);
}

function statusOf(system: System, base: string): TableRow {
  const status = parseColonLines(system.text(`${base}/status`) ?? '');
  const uids = parseIds(status.get('Uid'));
  const gids = parseIds(status.get('Gid'));
  const resident = status.has('VmRSS') ? parseInt(status.get('VmRSS') ?? '', 10) * 1024 : undefined;
  return {
    uid: uids?.[0],
    euid: uids?.[1],
    suid: uids?.[2],
    gid: gids?.[0],
    egid: gids?.[1],
    sgid: gids?.[2],
    resident_size: resident,
  };
}

function ioOf(system: System, base: string): TableRow {
  const io = parseColonLines(system.text(`${base}/io`) ?? '');
  const bytes = (key: string): number | undefined => (io.has(key) ? Number(io.get(key)) : undefined);
  return { disk_bytes_read: bytes('read_bytes'), disk_bytes_written: bytes('write_bytes') };
}

/** Kernel threads have no executable (empty path). For processes of other users it may be unreadable (NULL). */
function executable(system: System, request: CollectRequest, base: string): TableRow {
  const link = linkOf(system, `${base}/exe`);
  if (link === undefined) return { path: undefined, on_disk: -1 };
  if (link === '') return { path: '', on_disk: -1 };
  const { path, isGone } = withoutDeletedMark(link, () => isFileAt(system, request, `${base}/exe`, link));
  if (isGone) return { path, on_disk: 0 };
  return { path, on_disk: request.uses('on_disk') ? onDisk(system, request, base, path) : -1 };
}

/** Whether what a link of a process in /proc leads to is at the path, as the process sees it. */
export function isFileAt(system: System, request: CollectRequest, link: string, path: string): boolean {
  const base = link.split('/').slice(0, 3).join('/');
  if (remoteMountOf(path, mountsOf(system, request, base)) !== undefined) {
    request.warn(
      'ambiguous',
      `${link}: whether it is there or gone is not asked, because its file system may not answer`,
    );
    return false;
  }
  return isSameFile(system.stat(link), system.lstat(`${base}/root${path}`));
}

/**
 * Resolved below the root of the process, which may be a container's. Unknown on a file system of another machine or of
 * a program: one that does not answer must not hide the other processes.
 */
function onDisk(system: System, request: CollectRequest, base: string, path: string): number {
  if (remoteMountOf(path, mountsOf(system, request, base)) !== undefined) return -1;
  const real = system.real(`${base}/root${path}`);
  try {
    return lstatSync(real, { throwIfNoEntry: false }) === undefined ? 0 : 1;
  } catch {
    return -1;
  }
}

/** The mounts that a process sees, read once for each namespace. */
function mountsOf(system: System, request: CollectRequest, base: string): Mounts {
  const namespace = system.link(`${base}/ns/mnt`) ?? 'unknown';
  return request.memo(`mounts ${namespace}`, () => parseMountinfo(system.text(`${base}/mountinfo`) ?? ''));
}

/** Empty when the link does not exist, `undefined` when it cannot be read. */
function linkOf(system: System, path: string): string | undefined {
  const real = system.real(path);
  try {
    return textOfBytes(readlinkSync(real, { encoding: 'buffer' }));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    return system.failed(path, error);
  }
}

/** Process ids that the statement names, or all. */
export function pidsOf(system: System, request: CollectRequest): number[] {
  const wanted = request.equal('pid');
  if (wanted === undefined) return allPids(system);
  const pids = new Set(wanted);
  // No process has two ids.
  if (pids.size > 1) return [];
  return [...pids].map(Number).filter((pid) => Number.isInteger(pid) && pid > 0 && isProcess(system, pid));
}

/** /proc answers to thread ids too, though it does not list them. */
function isProcess(system: System, pid: number): boolean {
  const status = system.head(`/proc/${pid}/status`, STATUS_BYTES);
  if (status === undefined) return false;
  const group = /^Tgid:\s*(\d+)$/m.exec(status)?.[1];
  return group === undefined || Number(group) === pid;
}

export function allPids(system: System): number[] {
  return system
    .list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((left, right) => left - right);
}
