import { closeSync, constants, lstatSync, openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { bytesOfText, textOfBytes } from '@muster/protocol';
import { basename } from 'node:path';
import { isSameFile, withoutDeletedMark } from '../../tables/linux/parse/deleted-mark.js';
import { parseMountinfo, remoteMountOf } from '../../tables/linux/remote-mounts.js';
import { parseBootTime, parseColonLines, parseIds, parseProcStat } from '../../tables/linux/parse/proc.js';

/** A snapshot of one process. */
export interface ProcessView {
  readonly pid: number;
  /** Short name of at most 15 bytes, as in `processes.name`. */
  readonly name: string;
  /** Scheduler state of the first thread. Z is a zombie. */
  readonly state: string;
  /** Number of threads. */
  readonly threads: number;
  readonly parent: number;
  /** Session id, and device number of the controlling terminal (0 for none). */
  readonly session: number;
  readonly tty: number;
  /** Start time in clock ticks after boot. Together with the pid it identifies the process. */
  readonly startTicks: number;
  /** Unix seconds, as in `processes.start_time`. -1 when the boot time is unknown. */
  readonly startTime: number;
  /** Executable, without the ` (deleted)` mark. Empty when it cannot be read. */
  readonly path: string;
  readonly args: readonly string[];
  readonly isKernelThread: boolean;
  /** Real user id. */
  readonly uid: number;
}

const USER_HZ = 100;
/** PF_KTHREAD of include/linux/sched.h. */
const KERNEL_THREAD = 0x0020_0000;

/** The open /proc directory of one process. It never shows another process, even when the pid is reused. */
class ProcessFolder {
  readonly #fd: number;

  constructor(pid: number) {
    this.#fd = openSync(`/proc/${pid}`, constants.O_RDONLY | constants.O_DIRECTORY);
  }

  text(file: string): string {
    return textOfBytes(readFileSync(`/proc/self/fd/${this.#fd}/${file}`));
  }

  link(file: string): string {
    return textOfBytes(readlinkSync(`/proc/self/fd/${this.#fd}/${file}`, { encoding: 'buffer' }));
  }

  /** Whether what a link leads to is at the path, as the process sees it. A file system that may not answer is not asked. */
  isFileAt(link: string, path: string): boolean {
    if (remoteMountOf(path, parseMountinfo(this.text('mountinfo'))) !== undefined) return false;
    try {
      const [found, named] = [link, `root${path}`].map((name) => bytesOfText(`/proc/self/fd/${this.#fd}/${name}`));
      if (found === undefined || named === undefined) return false;
      return isSameFile(statSync(found, { bigint: true }), lstatSync(named, { bigint: true }));
    } catch {
      return false;
    }
  }

  list(folder: string): string[] {
    return readdirSync(`/proc/self/fd/${this.#fd}/${folder}`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Reads a process. `undefined` when there is none, or when the id is that of a thread, whose signals would reach the whole process. */
export function viewProcess(pid: number, bootTime = readBootTime()): ProcessView | undefined {
  let folder: ProcessFolder;
  try {
    folder = new ProcessFolder(pid);
  } catch {
    return undefined;
  }
  try {
    return readView(pid, folder, bootTime);
  } catch {
    // The process ended during the read.
    return undefined;
  } finally {
    folder.close();
  }
}

/** Reads all processes. */
export function viewProcesses(): ProcessView[] {
  const bootTime = readBootTime();
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => viewProcess(Number(entry), bootTime))
    .filter((view) => view !== undefined);
}

/** Whether this same process still runs. A zombie does not. */
export function isAlive({ pid, startTicks }: Pick<ProcessView, 'pid' | 'startTicks'>): boolean {
  try {
    const stat = parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return stat?.startTicks === startTicks && !hasEnded(stat);
  } catch {
    return false;
  }
}

/** Whether all threads have ended. Others may continue after the first one. */
export function hasEnded({ state, threads }: Pick<ProcessView, 'state' | 'threads'>): boolean {
  return (state === 'Z' || state === 'X') && threads <= 1;
}

/** The agent and its ancestors up to the init process. Killing one of them kills the agent. */
export function agentAndAncestors(): Set<number> {
  const line = new Set<number>();
  for (let pid = process.pid; pid > 0 && !line.has(pid);) {
    line.add(pid);
    pid = viewProcess(pid)?.parent ?? 0;
  }
  return line;
}

/** For people, such as `abc.exe (17)`. */
export function describeProcess({ name, pid }: Pick<ProcessView, 'name' | 'pid'>): string {
  return `${name} (${pid})`;
}

function readView(pid: number, folder: ProcessFolder, bootTime: number | undefined): ProcessView | undefined {
  const status = parseColonLines(folder.text('status'));
  const stat = parseProcStat(folder.text('stat'));
  if (Number(status.get('Tgid')) !== pid || stat === undefined) return undefined;
  const { name, state, parent, session, tty, threads, startTicks } = stat;
  return {
    pid,
    name,
    state,
    parent,
    session,
    tty,
    threads,
    startTicks,
    isKernelThread: (stat.flags & KERNEL_THREAD) !== 0,
    startTime: bootTime === undefined ? -1 : bootTime + Math.floor(startTicks / USER_HZ),
    path: executableOf(folder),
    args: folder.text('cmdline').split('\0').filter(Boolean),
    uid: parseIds(status.get('Uid'))?.[0] ?? -1,
  };
}

function readBootTime(): number | undefined {
  return parseBootTime(readFileSync('/proc/stat', 'utf8'));
}

/** Kernel threads and zombies have no executable. Those of other users need privileges. */
function executableOf(folder: ProcessFolder): string {
  for (const link of exeLinks(folder)) {
    try {
      const path = folder.link(link);
      return withoutDeletedMark(path, () => folder.isFileAt(link, path)).path;
    } catch {
      // The first thread has ended. Try another one.
    }
  }
  return '';
}

function* exeLinks(folder: ProcessFolder): Iterable<string> {
  yield 'exe';
  for (const thread of folder.list('task').slice(0, 8)) yield `task/${thread}/exe`;
}

/** The kernel cuts names at this length. */
const NAME_BYTES = 15;

/**
 * Whether a process has exactly this name. The kernel cuts names at 15 bytes, so longer names are compared with the
 * executable and the first arguments.
 */
export function hasName(view: ProcessView, name: string): boolean {
  const short = Buffer.from(view.name);
  if (short.length < NAME_BYTES) return view.name === name;
  if (!Buffer.from(name).subarray(0, NAME_BYTES).equals(short)) return false;
  const candidates = [view.path, ...view.args.slice(0, 2)].map((path) => basename(path));
  const whole = candidates.filter((one) => Buffer.from(one).subarray(0, NAME_BYTES).equals(short));
  // A process that set its own name has only that one.
  return whole.length === 0 ? view.name === name : whole.includes(name);
}
