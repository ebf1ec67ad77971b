import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { parseIptablesSave } from './parse/iptables-save.js';
import { asObject, type Json, objects, text, whole } from './parse/json.js';

const LEGACY_TABLES = '/proc/net/ip_tables_names';
const LEGACY = ['/usr/sbin/iptables-legacy-save', '/sbin/iptables-legacy-save'] as const;
const NFT_BACKED = ['/usr/sbin/iptables-nft-save', '/sbin/iptables-nft-save'] as const;
/** One of the two, as the machine has chosen. */
const EITHER = ['/usr/sbin/iptables-save', '/sbin/iptables-save'] as const;
const NFT = ['/usr/sbin/nft', '/sbin/nft'] as const;

/** Rules of packet filters. */
export const FIREWALL_COLLECTORS: readonly Collector[] = [
  {
    table: 'iptables',
    *collect(system, request) {
      // What has no table has no rule, and asking would load its module.
      const isUsed = system.word(LEGACY_TABLES) !== undefined;
      const [legacy, nftBacked] = [installed(system, LEGACY), installed(system, NFT_BACKED)];
      const programs = [isUsed ? legacy : undefined, nftBacked, legacy ?? nftBacked ?? installed(system, EITHER)];
      if (isUsed && programs[2] === undefined)
        request.warn('unreadable', `there are rules, and no iptables-save to read them (${LEGACY_TABLES})`);
      // Without rules of its own the older program is not asked.
      const asked = new Set(isUsed || legacy === undefined ? programs : [nftBacked]);
      for (const program of asked) {
        if (program !== undefined) yield* parseIptablesSave(system.run(program, ['-c']) ?? '');
      }
    },
  },
  {
    table: 'nftables',
    *collect(system, request) {
      const program = installed(system, NFT);
      if (program === undefined) return;
      // Without the elements of sets, of which there may be millions.
      yield* nftRules(system.run(program, ['-j', '-t', 'list', 'ruleset']), request);
    },
  },
];

function installed(system: System, paths: readonly string[]): string | undefined {
  return paths.find((path) => system.exists(path));
}

function* nftRules(output: string | undefined, request: CollectRequest): Iterable<TableRow> {
  if (output === undefined) return;
  const ruleset = parse(output);
  if (ruleset === undefined) return request.warn('unreadable', 'nft does not list the rules as JSON');
  const all = objects(ruleset['nftables']);
  const chains = new Map(all.flatMap(({ chain }) => withKey(asObject(chain), 'name')));
  for (const rule of objects(all.map(({ rule: one }) => one))) {
    const chain = chains.get(keyOf(rule, 'chain')) ?? {};
    const expressions = objects(rule['expr']);
    const counter = expressions.map(({ counter: one }) => asObject(one)).find((one) => one !== undefined) ?? {};
    yield {
      ...{ family: text(rule['family']), table_name: text(rule['table']), chain: text(rule['chain']) },
      ...{ type: text(chain['type']), hook: text(chain['hook']), priority: whole(chain['prio']) },
      ...{ policy: text(chain['policy']), handle: whole(rule['handle']), comment: text(rule['comment']) },
      ...{
        packets: whole(counter['packets']),
        bytes: whole(counter['bytes']),
        expression: JSON.stringify(expressions),
      },
    };
  }
}

function withKey(chain: Json | undefined, name: string): readonly (readonly [string, Json])[] {
  return chain === undefined ? [] : [[keyOf(chain, name), chain]];
}

function keyOf(object: Json, name: string): string {
  return JSON.stringify([object['family'], object['table'], object[name]]);
}

function parse(output: string): Json | undefined {
  try {
    return asObject(JSON.parse(output));
  } catch {
    return undefined;
  }
}
