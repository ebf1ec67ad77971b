import type { TableRow } from '@muster/tables';

/** Splits a line into content and comment. */
function splitComment(line: string): { content: string; comment: string } {
  const hash = line.indexOf('#');
  if (hash < 0) return { content: line.trim(), comment: '' };
  return { content: line.slice(0, hash).trim(), comment: line.slice(hash + 1).trim() };
}

function contentLines(text: string): { words: string[]; comment: string }[] {
  return text
    .split('\n')
    .map(splitComment)
    .filter(({ content }) => content !== '')
    .map(({ content, comment }) => ({ words: content.split(/\s+/), comment }));
}

/** hosts(5) */
export function parseHosts(text: string): { address: string; hostnames: string }[] {
  return contentLines(text)
    .filter(({ words }) => words.length > 1)
    .map(({ words }) => ({ address: words[0] ?? '', hostnames: words.slice(1).join(' ') }));
}

/** protocols(5) */
export function parseProtocols(text: string): { name: string; number: number; alias: string; comment: string }[] {
  return contentLines(text)
    .filter(({ words }) => /^\d+$/.test(words[1] ?? ''))
    .map(({ words, comment }) => ({
      name: words[0] ?? '',
      number: Number(words[1]),
      alias: words.slice(2).join(' '),
      comment,
    }));
}

/** services(5) */
export function parseServices(
  text: string,
): { name: string; port: number; protocol: string; aliases: string; comment: string }[] {
  return contentLines(text).flatMap(({ words, comment }) => {
    const port = /^(\d+)\/(\w+)$/.exec(words[1] ?? '');
    if (port === null) return [];
    const [, number = '0', protocol = ''] = port;
    return [{ name: words[0] ?? '', port: Number(number), protocol, aliases: words.slice(2).join(' '), comment }];
  });
}

/** Default options of the C library: RES_INIT, RES_RECURSE, RES_DEFNAMES and RES_DNSRCH. */
const RESOLVER_DEFAULTS = 0x2c1;

/** Bits of <resolv.h> for the words of the `options` line. */
const RESOLVER_OPTIONS: Readonly<Record<string, number>> = {
  debug: 0x2,
  rotate: 0x4000,
  'no-check-names': 0x8000,
  edns0: 0x10_0000,
  'single-request': 0x20_0000,
  'single-request-reopen': 0x40_0000,
  'no-tld-query': 0x100_0000,
  'no-reload': 0x200_0000,
  'use-vc': 0x8,
  'trust-ad': 0x400_0000,
};

/** resolv.conf(5). The last `domain` or `search` line applies. */
export function parseResolvConf(text: string): TableRow[] {
  const servers: string[] = [];
  let domains: string[] = [];
  let sortlist: string[] = [];
  let options = RESOLVER_DEFAULTS;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver') servers.push(...values.slice(0, 1));
    else if (keyword === 'search') domains = values;
    else if (keyword === 'domain') domains = values.slice(0, 1);
    else if (keyword === 'sortlist') sortlist = values;
    else if (keyword === 'options') for (const value of values) options |= RESOLVER_OPTIONS[value] ?? 0;
  }
  const entry = (type: string) => (value: string, id: number) => {
    // A server is one host, as osquery has it.
    const whole = type === 'nameserver' ? '32' : '';
    const [address = '', netmask = whole] = type === 'sortlist' ? value.split('/') : [value];
    return { id, type, address, netmask, options };
  };
  return [...servers.map(entry('nameserver')), ...domains.map(entry('search')), ...sortlist.map(entry('sortlist'))];
}

/** `KEY=value` lines with shell quotes, as in os-release(5). */
export function parseAssignments(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)=(.*)$/.exec(line);
    if (match !== null) values.set(match[1] ?? '', unquote((match[2] ?? '').trim()));
  }
  return values;
}

function unquote(value: string): string {
  const quote = value[0];
  if ((quote !== '"' && quote !== "'") || !value.endsWith(quote) || value.length < 2) return value;
  const inner = value.slice(1, -1);
  return quote === '"' ? inner.replace(/\\(["\\$`])/g, '$1') : inner;
}
