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
function plain(address: string): string {
  const [bare = ''] = address.trim().split('%', 1);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  return mapped?.[1] ?? bare;
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
  let address = plain(peer ?? '');
  for (const hop of (forwardedFor ?? '').split(',').toReversed()) {
    const claimed = plain(hop);
    if (!proxies.trusts(address) || isIP(claimed) === 0) break;
    address = claimed;
  }
  return address === '' ? 'unknown' : address;
}
