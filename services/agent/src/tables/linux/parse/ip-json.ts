import type { TableRow } from '@muster/tables';
import { formatIpv6 } from './net.js';

interface IpAddress {
  readonly family?: string;
  readonly local?: string;
  /** The other end of a point-to-point address. */
  readonly address?: string;
  readonly broadcast?: string;
  readonly prefixlen?: number;
}

interface IpInterface {
  readonly ifname?: string;
  readonly addr_info?: readonly IpAddress[];
}

/** Rows of `interface_addresses` from the output of `ip -json address show`. */
export function parseIpAddresses(text: string): TableRow[] {
  const interfaces = JSON.parse(text) as readonly IpInterface[];
  return interfaces.flatMap(({ ifname, addr_info: addresses = [] }) =>
    addresses.flatMap(({ family, local, address, broadcast = '', prefixlen = 0 }): TableRow[] => {
      // Others are no addresses of a network, such as those of tunnels without one.
      if (local === undefined || (family !== 'inet' && family !== 'inet6')) return [];
      const mask = family === 'inet' ? ipv4Mask(prefixlen) : ipv6Mask(prefixlen);
      return [{ interface: ifname, address: local, mask, broadcast, point_to_point: address ?? '', type: 'unknown' }];
    }),
  );
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
