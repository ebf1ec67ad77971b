import { isIPv4, isIPv6 } from 'node:net';

/** An address or a block of them, taken apart and written anew: nothing of the text that it was read from is left in it. */
export interface NetworkAddress {
  readonly family: 4 | 6;
  /** Canonical, without a prefix length. */
  readonly address: string;
  readonly prefix: number;
}

/** Reads `192.0.2.1`, `192.0.2.0/24`, `2001:db8::1` and `2001:db8::/32`; `undefined` for anything else, zones (`%eth0`) among it. */
export function parseNetworkAddress(text: string): NetworkAddress | undefined {
  const match = /^([0-9a-fA-F.:]{2,45})(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text);
  const [, address = '', bits] = match ?? [];
  const family = isIPv4(address) ? 4 : isIPv6(address) ? 6 : undefined;
  if (family === undefined) return undefined;
  const longest = family === 4 ? 32 : 128;
  const prefix = bits === undefined ? longest : Number(bits);
  if (prefix > longest) return undefined;
  return { family, address: canonical(address, family), prefix };
}

/** `address/prefix`, or the address alone when it is one. */
export function formatNetworkAddress({ family, address, prefix }: NetworkAddress): string {
  return prefix === (family === 4 ? 32 : 128) ? address : `${address}/${prefix}`;
}

/** URL parsing is the one canonical form of RFC 5952 that the platform has. */
function canonical(address: string, family: 4 | 6): string {
  if (family === 4) return address.split('.').map(Number).join('.');
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
