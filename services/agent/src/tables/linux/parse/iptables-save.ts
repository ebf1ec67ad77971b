import type { TableRow } from '@muster/tables';

const PROTOCOLS: Readonly<Record<string, number>> = {
  ...{ all: 0, icmp: 1, igmp: 2, ipip: 4, ipencap: 4, tcp: 6, udp: 17, dccp: 33, ipv6: 41, gre: 47, esp: 50, ah: 51 },
  ...{ icmpv6: 58, 'ipv6-icmp': 58, sctp: 132, udplite: 136 },
};
const ALL_PORTS = '0:65535';

/** What `iptables-save -c` writes, as osquery's rows: those of a chain, and at its end one for the chain itself. */
export function* parseIptablesSave(text: string): Iterable<TableRow> {
  let table = '';
  let chains = new Map<string, { readonly head: TableRow; readonly rules: TableRow[] }>();
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      table = line.slice(1);
      chains = new Map();
    }
    const [, chain = '', policy = '', ...counts] = /^:(\S+) (\S+) \[(\d+):(\d+)\]/.exec(line) ?? [];
    if (chain !== '') {
      // A dash: a chain of somebody's own, which has none.
      const head = { filter_name: table, chain, policy: policy === '-' ? '' : policy, ...counters(counts) };
      chains.set(chain, { head, rules: [] });
    }
    const [, packets = '', bytes = '', of = '', words = ''] = /^\[(\d+):(\d+)\] -A (\S+) ?(.*)$/.exec(line) ?? [];
    const owner = chains.get(of);
    if (owner !== undefined)
      owner.rules.push({ ...owner.head, ...counters([packets, bytes]), ...ruleColumns(splitWords(words)) });
    if (line === 'COMMIT') for (const { head, rules } of chains.values()) yield* [...rules, head];
  }
}

function counters([packets, bytes]: readonly (string | undefined)[]): TableRow {
  return { packets: BigInt(packets ?? 0), bytes: BigInt(bytes ?? 0) };
}

/** Options of one rule, with the exclamation mark that may stand before each. */
function ruleColumns(words: readonly string[]): TableRow {
  const found = new Map<string, string>();
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (!/^--?[a-z]/.test(word)) continue;
    const value = words[at + 1] ?? '';
    found.set(word, words[at - 1] === '!' ? `!${value}` : value);
    // A comment may look like an option.
    if (word === '--comment') at += 1;
  }
  const protocol = found.get('-p') ?? 'all';
  const hasPorts = ['tcp', 'udp'].includes(protocol.replace('!', ''));
  const ports = (option: string): string => (hasPorts ? portRange(found.get(option)) : '');
  const [source, destination] = [address(found.get('-s')), address(found.get('-d'))];
  return {
    target: found.get('-j') ?? found.get('-g') ?? '',
    protocol: numberOf(protocol),
    ...{ src_port: ports('--sport'), dst_port: ports('--dport') },
    ...{ src_ip: source.ip, src_mask: source.mask, dst_ip: destination.ip, dst_mask: destination.mask },
    ...{ iniface: found.get('-i') ?? 'all', iniface_mask: interfaceMask(found.get('-i')) },
    ...{ outiface: found.get('-o') ?? 'all', outiface_mask: interfaceMask(found.get('-o')) },
    match: 'yes',
  };
}

/** Words with blanks are in double quotes, in which a backslash comes before a quote or another one. */
function splitWords(text: string): string[] {
  return Array.from(text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g), ([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1'),
  );
}

function numberOf(protocol: string): number | string {
  const name = protocol.replace('!', '');
  const number = PROTOCOLS[name] ?? Number(name);
  return protocol.startsWith('!') ? `!${number}` : number;
}

function portRange(ports: string | undefined): string {
  const [first = '', last = first] = (ports ?? ALL_PORTS).replace('!', '').split(':');
  return `${first}:${last}`;
}

function address(text: string | undefined): { readonly ip: string; readonly mask: string } {
  if (text === undefined) return { ip: '0.0.0.0', mask: '0.0.0.0' };
  const [ip = '', mask = '32'] = text.split('/');
  return { ip, mask: mask.includes('.') ? mask : maskOf(Number(mask)) };
}

function maskOf(length: number): string {
  const bits = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
}

/** A mask for each letter, and for the end of the name, where it does not end with a plus. */
function interfaceMask(text: string | undefined): string {
  const name = text?.replace('!', '') ?? '';
  if (name === '') return '';
  return 'FF'.repeat(name.endsWith('+') ? name.length - 1 : name.length + 1);
}
