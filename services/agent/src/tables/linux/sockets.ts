import { type CollectRequest, lazy } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { FAMILY, parseInetSockets, type Socket } from './parse/net.js';
import { allPids, pidsOf } from './processes.js';
import { unixSockets } from './unix-sockets.js';

/** A socket and the process that holds it. pid is -1 when no visible process holds it. */
interface OwnedSocket {
  readonly pid: number;
  readonly fd: number;
  readonly socket: Socket;
  readonly namespace: Namespace;
}

const FILES: readonly (readonly [file: string, family: number, protocol: number])[] = [
  ['tcp', FAMILY.inet, 6],
  ['tcp6', FAMILY.inet6, 6],
  ['udp', FAMILY.inet, 17],
  ['udp6', FAMILY.inet6, 17],
  ['udplite', FAMILY.inet, 136],
  ['udplite6', FAMILY.inet6, 136],
  ['raw', FAMILY.inet, 255],
  ['raw6', FAMILY.inet6, 255],
];

/** The sockets of one network namespace by inode. A socket in TIME_WAIT has inode 0 and no owner. */
interface Namespace {
  /** Known when a process shows it. */
  id: string | undefined;
  /** Why it is not. */
  hidden?: Parameters<CollectRequest['warn']> | undefined;
  readonly byInode: ReadonlyMap<number, Socket>;
  readonly ownerless: readonly Socket[];
  readonly claimed: Set<number>;
  readonly holders: Holders;
}

/**
 * Who holds the sockets of a namespace. The kernel lists all sockets, also those of processes that do not show their descriptors. So
 * something is missing only where a statement reads who holds one.
 */
class Holders {
  readonly #request: CollectRequest;
  #hidden: Parameters<CollectRequest['warn']> | undefined;
  #wasRead = false;

  constructor(request: CollectRequest) {
    this.#request = request;
  }

  /** A process of the namespace does not show what it holds. */
  hide(...warning: Parameters<CollectRequest['warn']>): void {
    this.#hidden ??= warning;
    if (this.#wasRead) this.#request.warn(...warning);
  }

  read(value: number): number {
    this.#wasRead = true;
    if (this.#hidden !== undefined) this.#request.warn(...this.#hidden);
    return value;
  }
}

type Namespaces = Map<string, Namespace>;

/**
 * Sockets of the processes that the statement names, in all their network namespaces. Without a pid constraint also
 * sockets that no process holds.
 */
function* ownedSockets(system: System, request: CollectRequest): Iterable<OwnedSocket> {
  const wanted = request.equal('pid');
  const namespaces: Namespaces = new Map();
  if (wanted?.every((pid) => Number(pid) === -1) === true) {
    // Finding sockets without a holder requires a scan of all processes.
    for (const pid of allPids(system)) {
      for (const _ of socketsOf(system, request, pid, namespaces)) request.checkpoint();
    }
    for (const namespace of new Set(namespaces.values())) yield* leftovers(namespace);
    return;
  }
  for (const pid of pidsOf(system, request)) {
    request.checkpoint();
    yield* socketsOf(system, request, pid, namespaces);
  }
  if (wanted === undefined) for (const namespace of new Set(namespaces.values())) yield* leftovers(namespace);
  // Who asks for one process asks for all that it holds.
  else for (const { holders } of namespaces.values()) holders.read(-1);
}

function* socketsOf(
  system: System,
  request: CollectRequest,
  pid: number,
  namespaces: Namespaces,
): Iterable<OwnedSocket> {
  const namespace = namespaceOf(system, request, pid, namespaces);
  const quiet = system.telling((code, what) => namespace.holders.hide(code, what));
  for (const fd of quiet.list(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(quiet.link(`/proc/${pid}/fd/${fd}`) ?? '')?.[1];
    const socket = inode === undefined ? undefined : namespace.byInode.get(Number(inode));
    if (socket === undefined) continue;
    namespace.claimed.add(socket.inode);
    yield { pid, fd: Number(fd), socket, namespace };
  }
}

function* leftovers(namespace: Namespace): Iterable<OwnedSocket> {
  for (const socket of namespace.ownerless) yield { pid: -1, fd: -1, socket, namespace };
  for (const socket of namespace.byInode.values()) {
    if (!namespace.claimed.has(socket.inode)) yield { pid: -1, fd: -1, socket, namespace };
  }
}

/**
 * The link that names the namespace of a process may be unreadable, but its lists of sockets are not: they are files of the
 * namespace, so that processes of one namespace have the same file.
 */
function namespaceOf(system: System, request: CollectRequest, pid: number, namespaces: Namespaces): Namespace {
  const warnings: Parameters<CollectRequest['warn']>[] = [];
  const link = system.telling((...warning) => warnings.push(warning)).link(`/proc/${pid}/ns/net`);
  const id = idOf(link);
  if (id !== undefined || !system.live) return known(system, request, { id, pid, namespaces });
  const file = warnings.length === 0 ? undefined : fileOf(system, pid);
  // Without lists either: it has ended, or it may have sockets that nobody sees.
  if (file === undefined) for (const warning of warnings) request.warn(...warning);
  if (file === undefined || file === fileOf(system, 'self'))
    return known(system, request, { id: idOf(system.link('/proc/self/ns/net')), pid: 'self', namespaces });
  const namespace = namespaces.get(file) ?? known(system, request, { id: undefined, pid, namespaces });
  namespace.hidden ??= warnings[0];
  return namespace;
}

interface Wanted {
  readonly id: string | undefined;
  /** Whose lists are read. */
  readonly pid: number | 'self';
  readonly namespaces: Namespaces;
}

function known(system: System, request: CollectRequest, { id, pid, namespaces }: Wanted): Namespace {
  const key = id ?? (system.live ? undefined : 'own');
  const seen = key === undefined ? undefined : namespaces.get(key);
  if (seen !== undefined) return seen;
  const file = fileOf(system, pid) ?? '';
  const namespace = namespaces.get(file) ?? readNamespace(system, request, { key: key ?? file, pid });
  namespace.id ??= id;
  if (key !== undefined) namespaces.set(key, namespace);
  if (file !== '') namespaces.set(file, namespace);
  return namespace;
}

function readNamespace(
  system: System,
  request: CollectRequest,
  { key, pid }: { readonly key: string; readonly pid: number | 'self' },
): Namespace {
  const sockets = request.memo(`sockets ${key}`, () => readSockets(system, request, `/proc/${pid}/net`));
  return {
    id: undefined,
    byInode: new Map(sockets.filter((one) => one.inode !== 0).map((one) => [one.inode, one])),
    ownerless: sockets.filter((one) => one.inode === 0),
    claimed: new Set(),
    holders: new Holders(request),
  };
}

function idOf(link: string | undefined): string | undefined {
  return /^net:\[(\d+)\]$/.exec(link ?? '')?.[1];
}

/** Which file of the kernel the list of sockets is. A copied tree has copies. */
function fileOf(system: System, pid: number | 'self'): string | undefined {
  const stats = system.live ? system.stat(`/proc/${pid}/net/tcp`) : undefined;
  return stats && `tcp ${stats.ino}`;
}

function readSockets(system: System, request: CollectRequest, base: string): Socket[] {
  const inet = FILES.flatMap(([file, family, protocol]) =>
    parseInetSockets(system.text(`${base}/${file}`) ?? '', family, protocol),
  );
  const taken = new Set(inet.map(({ inode }) => inode));
  return [...inet, ...unixSockets(system, request, base).filter(({ inode }) => inode === 0 || !taken.has(inode))];
}

function numberOf({ id, hidden }: Namespace, request: CollectRequest): string | undefined {
  if (id === undefined && hidden !== undefined) request.warn(...hidden);
  return id;
}

/** Sockets and the processes that hold them. */
export const SOCKET_COLLECTORS: readonly Collector[] = [
  {
    table: 'process_open_sockets',
    *collect(system, request) {
      for (const { pid, fd, socket, namespace } of ownedSockets(system, request)) {
        yield {
          pid: lazy(() => namespace.holders.read(pid)),
          fd: lazy(() => namespace.holders.read(fd)),
          socket: socket.inode,
          family: socket.family,
          protocol: socket.protocol,
          local_address: socket.localAddress,
          remote_address: socket.remoteAddress,
          local_port: socket.localPort,
          remote_port: socket.remotePort,
          path: socket.path,
          state: socket.state,
          net_namespace: lazy(() => numberOf(namespace, request)),
        };
      }
    },
  },
  {
    table: 'listening_ports',
    *collect(system, request) {
      for (const { pid, fd, socket, namespace } of ownedSockets(system, request)) {
        if (!socket.listening) continue;
        yield {
          pid: lazy(() => namespace.holders.read(pid)),
          fd: lazy(() => namespace.holders.read(fd)),
          port: socket.localPort,
          protocol: socket.protocol,
          family: socket.family,
          address: socket.localAddress,
          socket: socket.inode,
          path: socket.path,
          net_namespace: lazy(() => numberOf(namespace, request)),
        };
      }
    },
  },
];
