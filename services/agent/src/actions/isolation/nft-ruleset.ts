import { formatNetworkAddress, type NetworkAddress } from './network-address.js';
import type { AllowList } from './allow-list.js';

/** The only table that we change. Traffic that other tables drop stays dropped. */
export const TABLE = 'muster_isolation';

/**
 * Builds the input of `nft -f -`: one transaction that replaces the table. Uses parsed addresses and numbers only.
 *
 * The dead-man timer is in the kernel. Traffic is filtered only while the set `armed` has elements, and these expire by
 * themselves, whether or not the agent runs. No rule uses connection tracking, so existing connections to gateways
 * continue.
 */
export function isolationRuleset({ gateways, resolvers, allowed }: AllowList, seconds: number): string {
  if (!Number.isSafeInteger(seconds) || seconds < 1) throw new RangeError(`${seconds} is not a number of seconds`);
  const endpoints = (family: 4 | 6): string[] =>
    gateways
      .filter(({ address }) => address.family === family)
      .map(({ address, port }) => `${address.address} . ${port}`);
  const blocks = (list: readonly NetworkAddress[], family: 4 | 6): string[] =>
    list.filter((one) => one.family === family).map(formatNetworkAddress);
  return [
    `add table inet ${TABLE}`,
    `delete table inet ${TABLE}`,
    `table inet ${TABLE} {`,
    set('armed', 'nf_proto', 'flags timeout', [`ipv4 timeout ${seconds}s`, `ipv6 timeout ${seconds}s`]),
    ...FAMILIES.flatMap(({ family, type }) => [
      set(`gateways${family}`, `${type} . inet_service`, '', endpoints(family)),
      set(`resolvers${family}`, type, 'flags interval; auto-merge', blocks(resolvers, family)),
      set(`allowed${family}`, type, 'flags interval; auto-merge', blocks(allowed, family)),
    ]),
    ...['input', 'output', 'forward'].map(hook),
    chain('judge_input', inputRules()),
    chain('judge_output', outputRules()),
    chain('judge_forward', ['drop']),
    '}',
    '',
  ].join('\n');
}

const FAMILIES = [
  { family: 4, type: 'ipv4_addr', ip: 'ip' },
  { family: 6, type: 'ipv6_addr', ip: 'ip6' },
] as const;

function inputRules(): string[] {
  return [
    'iifname "lo" accept',
    ...FAMILIES.flatMap(({ family, ip }) => [
      // Only connections that the host opened: a SYN from a gateway's port is not accepted.
      `${ip} saddr . tcp sport @gateways${family} tcp flags & (syn | ack) != syn accept`,
      `${ip} saddr @resolvers${family} udp sport 53 accept`,
      `${ip} saddr @resolvers${family} tcp sport 53 tcp flags & (syn | ack) != syn accept`,
      `${ip} saddr @allowed${family} accept`,
    ]),
    'icmp type destination-unreachable icmp code frag-needed accept',
    'icmpv6 type packet-too-big accept',
    NEIGHBOURS,
    // DHCP: without its lease the host would lose the gateway too.
    'udp sport 67 udp dport 68 accept',
    'udp sport 547 udp dport 546 accept',
    'drop',
  ];
}

function outputRules(): string[] {
  return [
    'oifname "lo" accept',
    ...FAMILIES.flatMap(({ family, ip }) => [
      `${ip} daddr . tcp dport @gateways${family} accept`,
      `${ip} daddr @resolvers${family} udp dport 53 accept`,
      `${ip} daddr @resolvers${family} tcp dport 53 accept`,
      `${ip} daddr @allowed${family} accept`,
    ]),
    NEIGHBOURS,
    'udp sport 68 udp dport 67 accept',
    'udp sport 546 udp dport 547 accept',
    'drop',
  ];
}

/** Neighbor discovery from the local link only (RFC 4861 §7.1). IPv6 needs it. */
const NEIGHBOURS =
  'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept';

function hook(name: string): string {
  return chain(name, [
    `type filter hook ${name} priority -10; policy accept;`,
    `meta nfproto @armed jump judge_${name}`,
  ]);
}

function chain(name: string, rules: readonly string[]): string {
  return [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), '  }'].join('\n');
}

function set(name: string, type: string, flags: string, elements: readonly string[]): string {
  const lines = [`type ${type};`, ...(flags === '' ? [] : [`${flags};`])];
  if (elements.length > 0) lines.push(`elements = { ${elements.join(', ')} }`);
  return [`  set ${name} {`, ...lines.map((line) => `    ${line}`), '  }'].join('\n');
}
