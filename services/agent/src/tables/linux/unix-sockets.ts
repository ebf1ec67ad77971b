import type { CollectRequest } from '@muster/tables';
import type { ProgramEnd } from '../contract/run-to-end.js';
import type { System } from '../contract/system.js';
import { parseUnixSockets, type Socket } from './parse/net.js';
import { parseSsUnix } from './parse/ss-unix.js';

const SS = ['/usr/bin/ss', '/bin/ss', '/usr/sbin/ss', '/sbin/ss'] as const;
const NSENTER = ['/usr/bin/nsenter', '/bin/nsenter'] as const;
/** ss compares names as fnmatch(3) does. A line break cannot be written in its filters, but a class that has it. */
const BREAKS = ['src', 'unix:*[[:cntrl:]]*'] as const;
/** On a busy machine sockets come and go while they are listed. */
const TRIES = 3;

/**
 * The Unix sockets of one network namespace; `base` is where its lists are. The kernel writes their names as they are, line breaks too,
 * so that a name can look like the lines of other sockets. `ss` asks the kernel's socket diagnostics, and leaves such names out before
 * it writes anything: what it lists then is one line for each socket. Without it the kernel's own count says whether a line is forged.
 */
export function unixSockets(system: System, request: CollectRequest, base: string): readonly Socket[] {
  const listed = listUnix(system, base);
  // Where no socket has a name there is nothing that could look like a line.
  if (!listed.hasNames) return listed.sockets;
  return diagnosed(system, request, base, listed.sockets) ?? counted(system, request, base);
}

interface UnixList {
  readonly sockets: readonly Socket[];
  readonly lines: number;
  /** A name may be read as none: one that begins with a line break is in the next lines. */
  readonly hasNames: boolean;
}

/** The kernel writes a blank before a name, and nothing behind the inode of a socket that has none. */
const NAMED = /^\S+: \S+ \S+ \S+ \S+ \S+ +\d+ /m;

function listUnix(system: System, base: string): UnixList {
  const text = system.text(`${base}/unix`) ?? '';
  const lines = Math.max(0, text.split('\n').length - 2);
  return { sockets: parseUnixSockets(text), lines, hasNames: NAMED.test(text) };
}

/** As ss has them. `undefined` without it, or where it reads the same list itself because the kernel has no diagnostics. */
function diagnosed(
  system: System,
  request: CollectRequest,
  base: string,
  listed: readonly Socket[],
): Socket[] | undefined {
  const output = runSs(system, base, ['not', ...BREAKS]);
  const sockets = Array.from(parseSsUnix(output ?? ''));
  if (!sockets.some(({ isDiagnosed }) => isDiagnosed)) return undefined;
  const inodes = new Set(sockets.map(({ inode }) => inode));
  const names = new Set(sockets.flatMap(({ path, listening }) => (listening ? [path] : [])));
  const others = listed.filter(({ inode }) => !inodes.has(inode));
  // Connections that nobody has accepted yet have the name of who listens, and no inode.
  const unaccepted = others.filter(({ inode, path, listening }) => inode === 0 && !listening && names.has(path));
  // They may have ended meanwhile, too.
  if (others.length > unaccepted.length && runSs(system, base, BREAKS)?.trim() !== '') {
    request.warn(
      'ambiguous',
      `${base}/unix has names with line breaks or other control characters; their sockets are left out`,
    );
  }
  return [...sockets, ...unaccepted];
}

/** In the namespace of `base`. Nothing when the agent may not enter it. */
function runSs(system: System, base: string, filter: readonly string[]): string | undefined {
  const ss = SS.find((path) => system.exists(path));
  if (!system.live || ss === undefined) return undefined;
  const args = ['-xaHnO', ...filter];
  const run = (program: string, all: readonly string[]): string | undefined => {
    let isWhole = false;
    // Its failure is no fault of the answer: there is another way.
    const faultsOf = ({ status }: ProgramEnd): readonly string[] => {
      isWhole = status === 0;
      return [];
    };
    const output = system.run(program, all, { faultsOf });
    return isWhole ? output : undefined;
  };
  const process = base.slice(0, -'/net'.length);
  if (system.link(`${process}/ns/net`) === system.link('/proc/self/ns/net')) return run(ss, args);
  const nsenter = NSENTER.find((path) => system.exists(path));
  return nsenter && run(nsenter, [`--net=${process}/ns/net`, '--', ss, ...args]);
}

/** As the kernel's list has them, where it has as many lines as the kernel has Unix sockets, before and afterwards. */
function counted(system: System, request: CollectRequest, base: string): readonly Socket[] {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const before = countOf(system, base);
    const { sockets, lines } = listUnix(system, base);
    // A copied tree may lack the count.
    if (before === undefined && !system.live) return sockets;
    if (before === lines && countOf(system, base) === lines && sockets.length === lines) return sockets;
  }
  request.warn(
    'ambiguous',
    `${base}/unix has other lines than sockets, as a name with a line break makes; none of them is listed`,
  );
  return [];
}

/** The Unix sockets of the namespace: the third column of `/proc/net/protocols`. */
function countOf(system: System, base: string): number | undefined {
  const counts = (system.text(`${base}/protocols`) ?? '').matchAll(/^UNIX(?:-STREAM)? +\d+ +(\d+) /gm);
  const numbers = Array.from(counts, ([, count]) => Number(count));
  return numbers.length === 0 ? undefined : numbers.reduce((sum, count) => sum + count, 0);
}
