import { type NetworkAddress, parseNetworkAddress } from './network-address.js';

/** IP address and TCP port of a gateway. */
export interface GatewayEndpoint {
  readonly address: NetworkAddress;
  readonly port: number;
}

/** The traffic that an isolated host may still have. */
export interface AllowList {
  /** Outgoing TCP connections, new and existing. */
  readonly gateways: readonly GatewayEndpoint[];
  /** DNS servers, on port 53. */
  readonly resolvers: readonly NetworkAddress[];
  /** Any traffic in both directions. */
  readonly allowed: readonly NetworkAddress[];
}

/** The firewall of one operating system. Every backend removes its rules when their time is over, even when the agent is not running. */
export interface FirewallBackend {
  /** Returns why the firewall cannot be used, or `undefined` when it can. */
  unavailableReason(): Promise<string | undefined>;
  /**
   * Applies the rules for `seconds`, or replaces those in force. Resolves to what a look at the firewall showed then,
   * where it can look. When it throws, the previous rules or none are in force, or what it says.
   */
  apply(allowList: AllowList, seconds: number): Promise<string | undefined>;
  /** Removes the rules. Resolves to whether there were any. Throws when they are still in force. */
  remove(): Promise<boolean>;
}

export type Lookup = (host: string) => Promise<readonly string[]>;

/** Resolves gateways to addresses. Gateways that cannot be resolved are left out. */
export async function resolveGateways(
  peers: readonly { readonly host: string; readonly port: number }[],
  lookup: Lookup,
): Promise<GatewayEndpoint[]> {
  const found = await Promise.all(
    peers.map(async ({ host, port }) => {
      const plain = host.replace(/^\[(.*)\]$/, '$1');
      const texts = parseNetworkAddress(plain) === undefined ? await lookup(plain).catch(() => []) : [plain];
      return texts.map((text) => ({ address: singleAddress(text), port }));
    }),
  );
  const byKey = new Map<string, GatewayEndpoint>();
  for (const { address, port } of found.flat()) {
    if (address === undefined || !Number.isInteger(port) || port < 1 || port > 65_535) continue;
    byKey.set(`${address.address} ${port}`, { address, port });
  }
  return [...byKey.values()];
}

/** Reads the name servers of a resolv.conf(5). */
export function parseNameServers(text: string): NetworkAddress[] {
  const servers = text.split('\n').map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1]);
  // Without the zone, which names the interface.
  const addresses = servers.map((server) => singleAddress(server?.replace(/%.*$/, '') ?? ''));
  return addresses.filter((address) => address !== undefined);
}

/** Parses a single address. An IPv4-mapped IPv6 address (`::ffff:1.2.3.4`) becomes IPv4. */
function singleAddress(text: string): NetworkAddress | undefined {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
  const address = parseNetworkAddress(mapped ?? text);
  if (address === undefined) return undefined;
  return address.prefix === (address.family === 4 ? 32 : 128) ? address : undefined;
}
