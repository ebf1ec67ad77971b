import type { CollectRequest } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { FAMILY, parseInetSockets, type Socket } from './parse/net.js';
import { allPids, pidsOf } from './processes.js';
import { unixSockets } from './unix-sockets.js';

/** A socket and the process that holds it. pid is -1 when no visible process holds it. */
interface OwnedSocket {
  readonly pid: number;
  readonly fd: number;
  readonly socket: Socket;
  readonly namespace: string | undefined;
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
  readonly id: string | undefined;
  readonly byInode: ReadonlyMap<number, Socket>;
  readonly ownerless: readonly Socket[];
  readonly claimed: Set<number>;
}

/**
 * Sockets of the processes that the statement names, in all their network namespaces. Without a pid constraint also
 * sockets that no process holds.
 */
function* ownedSockets(system: System, request: CollectRequest): Iterable<OwnedSocket> {
  const everyone = request.equal('pid') === undefined;
  if (request.equal('pid')?.every((pid) => Number(pid) === -1) === true) {
    yield* unclaimed(system, request);
    return;
  }
  const namespaces = new Map<string, Namespace>();
  for (const pid of pidsOf(system, request)) {
    request.checkpoint();
    yield* socketsOf(system, request, pid, namespaces);
  }
  if (everyone) for (const namespace of namespaces.values()) yield* leftovers(namespace);
}

/** Finding sockets without a holder requires a scan of all processes. */
function* unclaimed(system: System, request: CollectRequest): Iterable<OwnedSocket> {
  const namespaces = new Map<string, Namespace>();
  for (const pid of allPids(system)) {
    for (const _ of socketsOf(system, request, pid, namespaces)) request.checkpoint();
  }
  for (const namespace of namespaces.values()) yield* leftovers(namespace);
}

function* socketsOf(
  system: System,
  request: CollectRequest,
  pid: number,
  namespaces: Map<string, Namespace>,
): Iterable<OwnedSocket> {
  const link = system.link(`/proc/${pid}/ns/net`);
  const namespace = namespaceOf(system, request, pid, link, namespaces);
  for (const fd of system.list(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(system.link(`/proc/${pid}/fd/${fd}`) ?? '')?.[1];
    const socket = inode === undefined ? undefined : namespace.byInode.get(Number(inode));
    if (socket === undefined) continue;
    namespace.claimed.add(socket.inode);
    yield { pid, fd: Number(fd), socket, namespace: namespace.id };
  }
}

function* leftovers(namespace: Namespace): Iterable<OwnedSocket> {
  const { id } = namespace;
  for (const socket of namespace.ownerless) yield { pid: -1, fd: -1, socket, namespace: id };
  for (const socket of namespace.byInode.values()) {
    if (!namespace.claimed.has(socket.inode)) yield { pid: -1, fd: -1, socket, namespace: id };
  }
}

/** When the namespace of a process is unreadable, the sockets of the agent's own namespace are used. */
function namespaceOf(
  system: System,
  request: CollectRequest,
  pid: number,
  link: string | undefined,
  namespaces: Map<string, Namespace>,
): Namespace {
  const id = /^net:\[(\d+)\]$/.exec(link ?? system.link('/proc/self/ns/net') ?? '')?.[1];
  const key = id ?? 'own';
  let namespace = namespaces.get(key);
  if (namespace === undefined) {
    const base = link === undefined && id !== undefined ? '/proc/self/net' : `/proc/${pid}/net`;
    const sockets = request.memo(`sockets ${key}`, () => readSockets(system, request, base));
    namespace = {
      id,
      byInode: new Map(sockets.filter((one) => one.inode !== 0).map((one) => [one.inode, one])),
      ownerless: sockets.filter((one) => one.inode === 0),
      claimed: new Set(),
    };
    namespaces.set(key, namespace);
  }
  return namespace;
}

function readSockets(system: System, request: CollectRequest, base: string): Socket[] {
  const inet = FILES.flatMap(([file, family, protocol]) =>
    parseInetSockets(system.text(`${base}/${file}`) ?? '', family, protocol),
  );
  const taken = new Set(inet.map(({ inode }) => inode));
  return [...inet, ...unixSockets(system, request, base).filter(({ inode }) => inode === 0 || !taken.has(inode))];
}

/** Sockets and the processes that hold them. */
export const SOCKET_COLLECTORS: readonly Collector[] = [
  {
    table: 'process_open_sockets',
    *collect(system, request) {
      for (const { pid, fd, socket, namespace } of ownedSockets(system, request)) {
        yield {
          pid,
          fd,
          socket: socket.inode,
          family: socket.family,
          protocol: socket.protocol,
          local_address: socket.localAddress,
          remote_address: socket.remoteAddress,
          local_port: socket.localPort,
          remote_port: socket.remotePort,
          path: socket.path,
          state: socket.state,
          net_namespace: namespace,
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
          pid,
          fd,
          port: socket.localPort,
          protocol: socket.protocol,
          family: socket.family,
          address: socket.localAddress,
          socket: socket.inode,
          path: socket.path,
          net_namespace: namespace,
        };
      }
    },
  },
];
