import { BlockList, isIP } from 'node:net';

/** Which peers may say on whose behalf they ask. */
export interface TrustedProxies {
  /** As they were configured; for the log. */
  readonly networks: readonly string[];
  trusts(address: string): boolean;
}

/**
 * Reads addresses and networks (`10.0.0.0/8`, `::1`). Throws `RangeError` naming the first that is none.
 * Without any, nobody's `X-Forwarded-For` is believed.
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

/** Without the form that IPv4 has on an IPv6 socket, and without a link's zone, which only that machine can make sense of. */
function plain(address: string): string {
  const [bare = ''] = address.trim().split('%', 1);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  return mapped?.[1] ?? bare;
}

/**
 * The caller's address: from the right end of `X-Forwarded-For`, each entry is believed only while the hop that wrote it is
 * trusted. What an untrusted peer claims is ignored, and so is everything to the left of an entry that is no address.
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
