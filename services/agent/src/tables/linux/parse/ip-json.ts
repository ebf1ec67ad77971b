import type { TableRow } from '@muster/tables';
import { formatIpv6 } from './net.js';

interface IpAddress {
  readonly family?: string;
  readonly local?: string;
  /** The other end of a point-to-point address. */
  readonly address?: string;
  readonly broadcast?: string;
  readonly prefixlen?: number;
  readonly scope?: string;
}

interface IpInterface {
  readonly ifname?: string;
  readonly addr_info?: readonly IpAddress[];
}

/** Rows of `interface_addresses` from the output of `ip -json address show`. */
export function parseIpAddresses(text: string): TableRow[] {
  const interfaces = JSON.parse(text) as readonly IpInterface[];
  return interfaces.flatMap(({ ifname, addr_info: addresses = [] }) =>
    addresses.flatMap(({ family, local, address, broadcast = '', prefixlen = 0, scope }): TableRow[] => {
      // Others are no addresses of a network, such as those of tunnels without one.
      if (local === undefined || (family !== 'inet' && family !== 'inet6')) return [];
      const mask = family === 'inet' ? ipv4Mask(prefixlen) : ipv6Mask(prefixlen);
      // An address of one link says which, as getnameinfo writes it.
      const zone = family === 'inet6' && scope === 'link' ? `%${ifname}` : '';
      return [
        {
          interface: ifname,
          address: `${local}${zone}`,
          mask,
          broadcast,
          point_to_point: address ?? '',
          type: 'unknown',
        },
      ];
    }),
  );
}

interface IpNeighbour {
  readonly dst?: string;
  readonly dev?: string;
  /** Absent while it is not known. */
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

/** Rows of `arp_cache` from the output of `ip -json neighbour show`: those whose hardware address is known, as `/proc/net/arp` has them. */
export function parseIpNeighbours(text: string): TableRow[] {
  return (JSON.parse(text) as readonly IpNeighbour[]).flatMap(({ dst, dev, lladdr, state = [] }): TableRow[] => {
    if (dst === undefined || lladdr === undefined || state.includes('FAILED')) return [];
    return [{ address: dst, mac: lladdr, interface: dev ?? '', permanent: state.includes('PERMANENT') ? '1' : '0' }];
  });
}

interface IpNextHop {
  readonly gateway?: string;
  /** A next hop of the other family. */
  readonly via?: { readonly host?: string };
  readonly dev?: string;
  readonly flags?: readonly string[];
}

interface IpRoute extends IpNextHop {
  /** Absent for an ordinary one. */
  readonly type?: string;
  readonly dst?: string;
  readonly prefsrc?: string;
  readonly metric?: number;
  readonly metrics?: readonly { readonly mtu?: number; readonly hoplimit?: number }[];
  readonly nexthops?: readonly IpNextHop[];
}

const ROUTE_TYPES: Readonly<Record<string, string>> = {
  unicast: 'gateway',
  local: 'local',
  broadcast: 'broadcast',
  anycast: 'anycast',
};

/** Bits of `rtm_flags` (linux/rtnetlink.h). */
const ROUTE_FLAGS: Readonly<Record<string, number>> = {
  dead: 1,
  pervasive: 2,
  onlink: 4,
  offload: 8,
  linkdown: 16,
  unresolved: 32,
  trap: 64,
};

/** Rows of `routes` from the output of `ip -json -family FAMILY route show table all`: one for each next hop. */
export function parseIpRoutes(text: string, family: 'inet' | 'inet6'): TableRow[] {
  const [any, full] = family === 'inet' ? ['0.0.0.0', 32] : ['::', 128];
  return (JSON.parse(text) as readonly IpRoute[]).flatMap((route) => {
    const { type = 'unicast', dst = 'default', prefsrc = '', metric = 0, metrics = [] } = route;
    const [destination, length] = dst === 'default' ? [any, 0] : splitPrefix(dst, full);
    return (route.nexthops ?? [route]).map((hop) => ({
      destination,
      netmask: length,
      gateway: hop.gateway ?? hop.via?.host ?? '',
      source: prefsrc,
      flags: (hop.flags ?? []).reduce((bits, flag) => bits | (ROUTE_FLAGS[flag] ?? 0), 0),
      interface: hop.dev ?? '',
      mtu: metrics.find(({ mtu }) => mtu !== undefined)?.mtu ?? 0,
      metric,
      type: ROUTE_TYPES[type] ?? 'other',
      hopcount: metrics.find(({ hoplimit }) => hoplimit !== undefined)?.hoplimit ?? 0,
    }));
  });
}

function splitPrefix(prefix: string, full: number): [address: string, length: number] {
  const [address = '', length] = prefix.split('/');
  return [address, length === undefined ? full : Number(length)];
}

function ipv4Mask(length: number): string {
  return maskBytes(length, 4).join('.');
}

function ipv6Mask(length: number): string {
  return formatIpv6(maskBytes(length, 16));
}

function maskBytes(length: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => 256 - 2 ** (8 - Math.min(8, Math.max(0, length - i * 8))));
}
