import { isIPv4, isIPv6 } from 'node:net';

/** A parsed IP address or network. It contains nothing of the text it was read from. */
export interface NetworkAddress {
  readonly family: 4 | 6;
  /** Canonical form, without a prefix length. */
  readonly address: string;
  readonly prefix: number;
}

/** Parses `192.0.2.1`, `192.0.2.0/24`, `2001:db8::1` and `2001:db8::/32`. Returns `undefined` for other text, including zones (`%eth0`). */
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

/** Formats `address/prefix`, or only the address when it is a single one. */
export function formatNetworkAddress({ family, address, prefix }: NetworkAddress): string {
  return prefix === (family === 4 ? 32 : 128) ? address : `${address}/${prefix}`;
}

/** The URL parser is the only RFC 5952 formatter in Node. */
function canonical(address: string, family: 4 | 6): string {
  if (family === 4) return address.split('.').map(Number).join('.');
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
