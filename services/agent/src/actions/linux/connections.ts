import { readFileSync } from 'node:fs';
import { isIPv6, SocketAddress } from 'node:net';
import { errorCode, System } from '../../tables/contract/system.js';
import { FAMILY, parseInetSockets, type Socket } from '../../tables/linux/parse/net.js';

/** Identifies a connection: protocol, and address and port of both ends. */
export interface FiveTuple {
  readonly protocol: 'tcp' | 'udp';
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

const MACHINE = new System();
const PROTOCOLS = { tcp: 6, udp: 17 } as const;
/** This process's own entry in /proc; its network is the agent's. */
export const SELF = 'self';

/**
 * Finds the sockets of a connection in the network namespace of a process. Only UDP can have several. @throws what the
 * system says of lists that it cannot read.
 */
export function findSockets(process_: number | typeof SELF, tuple: FiveTuple): Socket[] {
  const number = PROTOCOLS[tuple.protocol];
  const files = [
    [tuple.protocol, FAMILY.inet],
    [`${tuple.protocol}6`, FAMILY.inet6],
  ] as const;
  return files
    .flatMap(([file, family]) => parseInetSockets(listText(`/proc/${process_}/net/${file}`), family, number))
    .filter((socket) => matches(socket, tuple));
}

/** Without IPv6, or when the process has ended, there is none. One that cannot be read is not empty: its error is thrown. */
function listText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EINVAL'].includes(String(errorCode(error)))) return '';
    throw error;
  }
}

function matches(socket: Socket, tuple: FiveTuple): boolean {
  return (
    socket.localPort === tuple.localPort &&
    socket.remotePort === tuple.remotePort &&
    canonicalAddress(socket.localAddress) === canonicalAddress(tuple.localAddress) &&
    canonicalAddress(socket.remoteAddress) === canonicalAddress(tuple.remoteAddress)
  );
}

/** Canonical text of an address (RFC 5952), without a zone. IPv4-mapped IPv6 addresses become IPv4. */
function canonicalAddress(address: string): string {
  const bare = address.replace(/%.*$/, '');
  const canonical = isIPv6(bare) ? new SocketAddress({ address: bare, family: 'ipv6' }).address : bare;
  return canonical.replace(/^::ffff:(?=\d+\.)/, '');
}

/** Ids of the processes that hold the socket, as far as the agent may see them. */
export function holdersOf(inode: number): number[] {
  const pids = MACHINE.list('/proc').filter((entry) => /^\d+$/.test(entry));
  return pids.map(Number).filter((pid) => holds(pid, inode));
}

export function holds(pid: number | typeof SELF, inode: number): boolean {
  const folder = `/proc/${pid}/fd`;
  return MACHINE.list(folder).some((fd) => MACHINE.link(`${folder}/${fd}`) === `socket:[${inode}]`);
}

/** Number of a process's network namespace, as in `process_open_sockets.net_namespace`. */
export function namespaceOf(process_: number | typeof SELF): string | undefined {
  return /^net:\[(\d+)\]$/.exec(MACHINE.link(`/proc/${process_}/ns/net`) ?? '')?.[1];
}

/** For people, such as `tcp 10.0.0.1:80 → [::1]:9`. */
export function describeConnection({
  protocol,
  localAddress,
  localPort,
  remoteAddress,
  remotePort,
}: FiveTuple): string {
  return `${protocol} ${formatEndpoint(localAddress, localPort)} → ${formatEndpoint(remoteAddress, remotePort)}`;
}

/** Address and port in the format of ss. */
export function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
