import { BlockList, isIP } from 'node:net';

/** The peers whose `X-Forwarded-For` is believed. */
export interface TrustedProxies {
  /** As configured, for the log. */
  readonly networks: readonly string[];
  trusts(address: string): boolean;
}

/**
 * Parses addresses and networks (`10.0.0.0/8`, `::1`). With an empty list no `X-Forwarded-For` is believed.
 * @throws RangeError that names the first entry that is neither.
 */
export function trustedProxies(networks: readonly string[]): TrustedProxies {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address);
    const widest = family === 6 ? 128 : 32;
    const prefix = bits === undefined ? widest : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === 0 || !(prefix <= widest)) throw new RangeError(`"${network}" is not an address or network`);
    list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4');
  }
  return {
    networks,
    trusts: (address) => isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'),
  };
}

/** Removes the IPv6 prefix of a mapped IPv4 address, and the zone of a link-local address. */
export function plainAddress(address: string): string {
  const [bare = ''] = address.trim().split('%', 1);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  return mapped?.[1] ?? bare;
}

/**
 * What limits by address count together: an IPv4 address, or the /64 of an IPv6 address, whose owner has all the addresses in it.
 * Anything else is returned as it is.
 */
export function addressBlock(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  // An IPv4 tail stands for two groups.
  const missing = 8 - before.length - after.length - (address.includes('.') ? 1 : 0);
  const groups = tail === undefined ? before : [...before, ...Array.from({ length: missing }, () => '0'), ...after];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}

/**
 * The address of the client. `X-Forwarded-For` is read from its right end; an entry is believed only when the hop that wrote
 * it is trusted. Reading ends at an entry that is not an address.
 */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | undefined,
  proxies: TrustedProxies,
): string {
  let address = plainAddress(peer ?? '');
  for (const hop of (forwardedFor ?? '').split(',').toReversed()) {
    const claimed = plainAddress(hop);
    if (!proxies.trusts(address) || isIP(claimed) === 0) break;
    address = claimed;
  }
  return address === '' ? 'unknown' : address;
}
