import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isIPv6, SocketAddress } from 'node:net';
import { FAMILY, parseInetSockets, type Socket } from '../../tables/linux/parse/net.js';

/** Both ends of a connection. */
export interface FiveTuple {
  readonly protocol: 'tcp' | 'udp';
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

const PROTOCOLS = { tcp: 6, udp: 17 } as const;
/** What `/proc/<pid>` of the agent itself is called. */
export const SELF = 'self';

/** Sockets between these ends in the network that a process sees; there is more than one only for UDP. */
export function findSockets(process_: number | typeof SELF, tuple: FiveTuple): Socket[] {
  const number = PROTOCOLS[tuple.protocol];
  const files = [
    [tuple.protocol, FAMILY.inet],
    [`${tuple.protocol}6`, FAMILY.inet6],
  ] as const;
  return files
    .flatMap(([file, family]) => parseInetSockets(readText(`/proc/${process_}/net/${file}`), family, number))
    .filter((socket) => matches(socket, tuple));
}

function matches(socket: Socket, tuple: FiveTuple): boolean {
  return (
    socket.localPort === tuple.localPort &&
    socket.remotePort === tuple.remotePort &&
    canonicalAddress(socket.localAddress) === canonicalAddress(tuple.localAddress) &&
    canonicalAddress(socket.remoteAddress) === canonicalAddress(tuple.remoteAddress)
  );
}

/** One text for one address: RFC 5952's, without a zone; an IPv4 address in IPv6 clothes is the IPv4 address. */
function canonicalAddress(address: string): string {
  const bare = address.replace(/%.*$/, '');
  const canonical = isIPv6(bare) ? new SocketAddress({ address: bare, family: 'ipv6' }).address : bare;
  return canonical.replace(/^::ffff:(?=\d+\.)/, '');
}

/** Processes that hold the socket, of those that may be looked at. */
export function holdersOf(inode: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => holds(pid, inode));
}

export function holds(pid: number | typeof SELF, inode: number): boolean {
  const folder = `/proc/${pid}/fd`;
  return listNames(folder).some((fd) => readLink(`${folder}/${fd}`) === `socket:[${inode}]`);
}

/** Number of the network namespace of a process, as `process_open_sockets.net_namespace` has it. */
export function namespaceOf(process_: number | typeof SELF): string | undefined {
  return /^net:\[(\d+)\]$/.exec(readLink(`/proc/${process_}/ns/net`) ?? '')?.[1];
}

function listNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** `tcp 10.0.0.1:80 → [::1]:9`, for people. */
export function describeConnection({
  protocol,
  localAddress,
  localPort,
  remoteAddress,
  remotePort,
}: FiveTuple): string {
  return `${protocol} ${formatEndpoint(localAddress, localPort)} → ${formatEndpoint(remoteAddress, remotePort)}`;
}

/** An address with its port, as ss takes and shows it. */
export function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
