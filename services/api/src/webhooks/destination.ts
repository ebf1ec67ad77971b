import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { AppError } from '@muster/protocol';
import type { TrustedProxies } from '@muster/runtime';

/** IANA's special-purpose registries: what is not on the public internet, or leads somewhere else. */
const SPECIAL = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4', '::/127', '::ffff:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64'],
  ...['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
];

// One list for each family: in a common one every IPv4 address is in ::ffff:0:0/96.
const special = { 4: new BlockList(), 6: new BlockList() };
for (const network of SPECIAL) {
  const [address = '', bits] = network.split('/');
  if (isIP(address) === 6) special[6].addSubnet(address, Number(bits), 'ipv6');
  else special[4].addSubnet(address, Number(bits), 'ipv4');
}

function isSpecial(address: string): boolean {
  return isIP(address) === 6 ? special[6].check(address, 'ipv6') : special[4].check(address, 'ipv4');
}

/** The error code of an address that may not be reached. */
export const FORBIDDEN_ADDRESS = 'ERR_FORBIDDEN_ADDRESS';

/**
 * Where webhooks may be posted to: the public internet by https, and by either scheme the networks that the
 * installation allows. The address is checked when it is connected to, so that a name which is moved to an inner
 * address meanwhile reaches nothing there.
 */
export class Destinations {
  readonly #allowed: TrustedProxies;
  readonly #lookup: typeof systemLookup;

  constructor(allowed: TrustedProxies, lookup: typeof systemLookup = systemLookup) {
    this.#allowed = allowed;
    this.#lookup = lookup;
  }

  /** Throws `bad_request` where the URL can be refused without a look-up. */
  check(url: string): void {
    const { hostname, protocol } = new URL(url);
    const address = hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(address) !== 0 && !this.#permits(address, protocol))
      throw new AppError('bad_request', 'body.url: its address is not one that webhooks may be posted to');
    if (protocol === 'http:' && this.#allowed.networks.length === 0)
      throw new AppError('bad_request', 'body.url: must start with https://');
  }

  /** A look-up for connections to this URL; it fails with {@link FORBIDDEN_ADDRESS} where any address of the name is forbidden. */
  lookupFor({ protocol }: URL): LookupFunction {
    return (hostname, options, callback) => {
      this.#lookup(hostname, { ...options, all: true }, (error, addresses) => {
        const found: readonly LookupAddress[] = error === null ? addresses : [];
        const refused = found.length === 0 || found.some(({ address }) => !this.#permits(address, protocol));
        if (error !== null) callback(error, '', 0);
        else if (refused) callback(forbidden(), '', 0);
        else if (options.all === true) callback(null, [...found]);
        else callback(null, found[0]?.address ?? '', found[0]?.family ?? 0);
      });
    };
  }

  /** Literal addresses are not looked up. */
  permitsLiteral({ hostname, protocol }: URL): boolean {
    const address = hostname.replace(/^\[(.*)\]$/, '$1');
    return isIP(address) === 0 || this.#permits(address, protocol);
  }

  #permits(address: string, protocol: string): boolean {
    if (this.#allowed.trusts(address)) return true;
    return protocol === 'https:' && !isSpecial(address);
  }
}

function forbidden(): NodeJS.ErrnoException {
  return Object.assign(new Error('the address is not one that webhooks may be posted to'), { code: FORBIDDEN_ADDRESS });
}
