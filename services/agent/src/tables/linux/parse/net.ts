import type { TableRow } from '@muster/tables';

/** Address families of the kernel. */
export const FAMILY = { unix: 1, inet: 2, inet6: 10 } as const;

/** A line of `/proc/net/tcp`, `udp`, `raw` or `unix`. */
export interface Socket {
  readonly inode: number;
  readonly family: number;
  readonly protocol: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** TCP only. */
  readonly state: string;
  /** Unix sockets only. */
  readonly path: string;
  /** TCP in LISTEN, UDP without a peer, or a Unix socket that accepts or receives at a path. */
  readonly listening: boolean;
}

const TCP = 6;

/** include/net/tcp_states.h */
const TCP_STATES = [
  'UNKNOWN',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
] as const;

/** Parses `/proc/net/{tcp,udp,udplite,raw}` and their IPv6 files. `protocol` is the IP protocol number of the file. */
export function parseInetSockets(text: string, family: number, protocol: number): Socket[] {
  const sockets: Socket[] = [];
  for (const line of text.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    const local = fields[1]?.split(':');
    const remote = fields[2]?.split(':');
    if (fields.length < 10 || local === undefined || remote === undefined) continue;
    const state = TCP_STATES[parseInt(fields[3] ?? '0', 16)] ?? 'UNKNOWN';
    const remotePort = parseInt(remote[1] ?? '0', 16);
    sockets.push({
      inode: Number(fields[9]),
      family,
      protocol,
      localAddress: decodeAddress(local[0] ?? ''),
      localPort: parseInt(local[1] ?? '0', 16),
      remoteAddress: decodeAddress(remote[0] ?? ''),
      remotePort,
      state: protocol === TCP ? state : '',
      path: '',
      listening: protocol === TCP ? state === 'LISTEN' : remotePort === 0,
    });
  }
  return sockets;
}

const ACCEPTS = 0x1_0000;
const DATAGRAM = 2;

/** Parses `/proc/net/unix`. Abstract names begin with `@`. */
export function parseUnixSockets(text: string): Socket[] {
  const sockets: Socket[] = [];
  for (const line of text.split('\n').slice(1)) {
    const match = /^\S+: \S+ (\S+) (\S+) (\S+) \S+ +(\d+)(?: (.*))?$/.exec(line);
    if (match === null) continue;
    const path = match[5] ?? '';
    const accepts = (parseInt(match[2] ?? '0', 16) & ACCEPTS) !== 0;
    sockets.push({
      inode: Number(match[4]),
      family: FAMILY.unix,
      protocol: parseInt(match[1] ?? '0', 16),
      localAddress: '',
      localPort: 0,
      remoteAddress: '',
      remotePort: 0,
      state: '',
      path,
      listening: path !== '' && (accepts || parseInt(match[3] ?? '0', 16) === DATAGRAM),
    });
  }
  return sockets;
}

/** Addresses are 32-bit words in the machine's byte order. We only run on little-endian machines. */
function decodeAddress(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).reverse().map((pair) => parseInt(pair, 16)));
  return bytes.length === 4 ? bytes.join('.') : formatIpv6(bytes);
}

/** Formats 16 bytes as in RFC 5952: lower case, `::` for the longest run of zeros, embedded IPv4 with dots. */
export function formatIpv6(bytes: readonly number[]): string {
  const groups = Array.from({ length: 8 }, (_, index) => ((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0));
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (mapped) return `::ffff:${bytes.slice(12).join('.')}`;
  const run = longestZeroRun(groups);
  const words = groups.map((group) => group.toString(16));
  if (run.length < 2) return words.join(':');
  return `${words.slice(0, run.start).join(':')}::${words.slice(run.start + run.length).join(':')}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start += 1) {
    let length = 0;
    while (groups[start + length] === 0) length += 1;
    if (length > best.length) best = { start, length };
    start += length;
  }
  return best;
}

/** Parses `/proc/net/arp`. */
export function parseArp(text: string): { address: string; mac: string; interface: string; permanent: string }[] {
  const permanentFlag = 4;
  const completeFlag = 2;
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 6 && (Number(fields[2]) & completeFlag) !== 0)
    .map((fields) => ({
      address: fields[0] ?? '',
      mac: fields[3] ?? '',
      interface: fields[5] ?? '',
      permanent: (Number(fields[2]) & permanentFlag) === 0 ? '0' : '1',
    }));
}

/** Parses `/proc/net/route`, the main table. */
export function parseIpv4Routes(text: string): TableRow[] {
  const rejects = 0x200;
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 8)
    .map((fields) => {
      const flags = parseInt(fields[3] ?? '0', 16);
      const gateway = decodeAddress(fields[2] ?? '');
      return {
        destination: decodeAddress(fields[1] ?? ''),
        netmask: bitCount(parseInt(fields[7] ?? '0', 16)),
        gateway: gateway === '0.0.0.0' ? '' : gateway,
        flags,
        metric: Number(fields[6] ?? 0),
        mtu: Number(fields[8] ?? 0),
        interface: fields[0] ?? '',
        type: (flags & rejects) === 0 ? 'gateway' : 'other',
      };
    });
}

/** Parses `/proc/net/ipv6_route`, all tables. It has no header, and addresses are in network byte order. */
export function parseIpv6Routes(text: string): TableRow[] {
  const local = 0x8000_0000;
  const anycast = 0x0010_0000;
  const rejects = 0x200;
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 10)
    .map((fields) => {
      const flags = parseInt(fields[8] ?? '0', 16);
      const gateway = networkOrderIpv6(fields[4] ?? '');
      const kinds: [number, string][] = [
        [local, 'local'],
        [anycast, 'anycast'],
        [rejects, 'other'],
      ];
      return {
        destination: networkOrderIpv6(fields[0] ?? ''),
        netmask: parseInt(fields[1] ?? '0', 16),
        gateway: gateway === '::' ? '' : gateway,
        flags,
        metric: parseInt(fields[5] ?? '0', 16),
        mtu: 0,
        interface: fields[9] ?? '',
        type: kinds.find(([flag]) => (flags & flag) !== 0)?.[1] ?? 'gateway',
      };
    });
}

function networkOrderIpv6(hex: string): string {
  return formatIpv6((hex.match(/../g) ?? []).map((pair) => parseInt(pair, 16)));
}

function bitCount(value: number): number {
  let count = 0;
  for (let rest = value >>> 0; rest !== 0; rest >>>= 1) count += rest & 1;
  return count;
}
