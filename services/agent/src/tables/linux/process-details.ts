import { constants } from 'node:fs';
import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { parseMap } from './parse/maps.js';
import { lines } from './parse/shell-history.js';
import { allPids, isFileAt, pidsOf } from './processes.js';
import { parseMountinfo, remoteMountOf } from './remote-mounts.js';

const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'] as const;

/** Memory, namespaces and pipes of processes. */
export const PROCESS_DETAIL_COLLECTORS: readonly Collector[] = [
  {
    table: 'process_memory_map',
    *collect(system, request) {
      for (const pid of pidsOf(system, request)) {
        request.checkpoint();
        const linkOf = (range: string): string => `/proc/${pid}/map_files/${range}`;
        const files = {
          nameOf: (range: string) => system.link(linkOf(range)),
          isAt: (range: string, path: string) => isFileAt(system, request, linkOf(range), path),
        };
        for (const line of lines(system.text(`/proc/${pid}/maps`) ?? '')) {
          const row = parseMap(line, files);
          if (row !== undefined) yield { ...row, pid };
        }
      }
    },
  },
  {
    table: 'process_namespaces',
    *collect(system, request) {
      for (const pid of pidsOf(system, request)) {
        request.checkpoint();
        const idOf = (kind: string): string =>
          /\[(\d+)\]$/.exec(system.link(`/proc/${pid}/ns/${kind}`) ?? '')?.[1] ?? '';
        yield { pid, ...Object.fromEntries(NAMESPACES.map((kind) => [`${kind}_namespace`, idOf(kind)])) };
      }
    },
  },
  {
    table: 'process_open_pipes',
    *collect(system, request) {
      const byPipe = request.memo('pipes', () => pipeEnds(system, request));
      const wanted = request.equal('pid');
      for (const ends of byPipe.values()) {
        for (const end of ends) {
          if (wanted?.every((pid) => Number(pid) === end.pid) !== false) yield* pairs(end, ends);
        }
      }
    },
  },
];

interface PipeEnd {
  readonly pid: number;
  readonly fd: number;
  readonly mode: string;
  readonly inode: bigint;
  readonly type: 'anonymous' | 'named';
}

/** Above this many, pairs of ends grow with their product. */
const MAX_PARTNERS = 64;

/** A row for each other end that reads what this one writes, or the other way round; one row where nobody does. */
function* pairs({ pid, fd, mode, inode, type }: PipeEnd, ends: readonly PipeEnd[]): Iterable<TableRow> {
  const own = { pid, fd, mode, inode, type };
  let partners = 0;
  for (const other of ends) {
    if ((other.pid === pid && other.fd === fd) || (other.mode === mode && mode !== 'rw')) continue;
    partners += 1;
    if (partners > MAX_PARTNERS) return;
    yield { ...own, partner_pid: other.pid, partner_fd: other.fd, partner_mode: other.mode };
  }
  if (partners === 0) yield own;
}

function pipeEnds(system: System, request: CollectRequest): ReadonlyMap<string, readonly PipeEnd[]> {
  const byPipe = new Map<string, PipeEnd[]>();
  for (const pid of allPids(system)) {
    request.checkpoint();
    for (const fd of system.list(`/proc/${pid}/fd`)) {
      const found = pipeAt(system, request, `/proc/${pid}`, fd);
      if (found === undefined) continue;
      const ends = byPipe.get(found.key) ?? [];
      byPipe.set(found.key, [...ends, { ...found, pid, fd: Number(fd), mode: modeOf(system, pid, fd) }]);
    }
  }
  for (const [key, ends] of byPipe)
    if (ends.length > MAX_PARTNERS)
      request.warn('too_large', `${key} has ${ends.length} ends; each is shown with ${MAX_PARTNERS} of them`);
  return byPipe;
}

/** A file's name begins with a slash, so that `pipe:[17]` is the kernel's word. */
function pipeAt(system: System, request: CollectRequest, base: string, fd: string) {
  const link = system.link(`${base}/fd/${fd}`);
  const inode = /^pipe:\[(\d+)\]$/.exec(link ?? '')?.[1];
  if (inode !== undefined) return { key: `pipe:[${inode}]`, inode: BigInt(inode), type: 'anonymous' } as const;
  if (link?.startsWith('/') !== true || /^\/(dev|proc|sys)\//.test(link)) return undefined;
  const namespace = system.link(`${base}/ns/mnt`) ?? base;
  const mounts = request.memo(`mounts ${namespace}`, () => parseMountinfo(system.text(`${base}/mountinfo`) ?? ''));
  // Another machine or a program would have to answer.
  if (remoteMountOf(link, mounts) !== undefined) return undefined;
  const stat = system.stat(`${base}/fd/${fd}`);
  if (stat?.isFIFO() !== true) return undefined;
  return { key: `${stat.dev} ${stat.ino}`, inode: stat.ino, type: 'named' } as const;
}

function modeOf(system: System, pid: number, fd: string): string {
  const flags = /^flags:\s*([0-7]+)$/m.exec(system.text(`/proc/${pid}/fdinfo/${fd}`) ?? '')?.[1];
  if (flags === undefined) return '-';
  const access = parseInt(flags, 8) & (constants.O_WRONLY | constants.O_RDWR);
  return access === constants.O_RDWR ? 'rw' : access === constants.O_WRONLY ? 'w' : 'r';
}
