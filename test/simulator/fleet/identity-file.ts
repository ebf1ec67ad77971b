import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Identity } from '../agent/identity.js';

interface Kept {
  readonly org: string;
  readonly seed: number;
  readonly agents: readonly (Omit<Identity, 'trust'> & { readonly index: number })[];
  /** The roots that all of them pinned. */
  readonly trust: Identity['trust'];
}

/**
 * Identities from an earlier run for the same org and seed, of the file and of its parts. Leaves out those whose tokens
 * expire within an hour. Where two parts have an agent, because the fleet was spread otherwise before, the token that
 * is valid longer counts.
 */
export function readIdentities(path: string, org: string, seed: number): Map<number, Identity> {
  const all = new Map<number, Identity>();
  for (const file of [path, ...partsOf(path)]) {
    for (const [index, identity] of readFile(file, org, seed)) {
      if ((all.get(index)?.expiresAtMs ?? 0) < identity.expiresAtMs) all.set(index, identity);
    }
  }
  return all;
}

/**
 * Adds identities to the file, or to a part of it. Each of several processes has a part of its own, by the index of its
 * first agent: none writes over what another has written. Only the owner can read them: they are credentials.
 */
export function writeIdentities(
  path: string,
  { org, seed, part }: { readonly org: string; readonly seed: number; readonly part?: number | undefined },
  identities: ReadonlyMap<number, Identity>,
): void {
  const file = part === undefined ? path : `${path}.${part}`;
  const all = new Map([...readFile(file, org, seed), ...identities]);
  const [first] = identities.values();
  const agents = [...all].map(([index, { agentId, num, token, expiresAtMs, publicKeyX }]) => {
    return { index, agentId, num, token, expiresAtMs, publicKeyX };
  });
  const kept: Kept = { org, seed, trust: first?.trust ?? [], agents };
  writeFileSync(`${file}.new`, JSON.stringify(kept), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function readFile(path: string, org: string, seed: number): Map<number, Identity> {
  let kept: Kept;
  try {
    kept = JSON.parse(readFileSync(path, 'utf8')) as Kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  if (kept.org !== org || kept.seed !== seed || !Array.isArray(kept.trust)) return new Map();
  const { trust } = kept;
  const usable = kept.agents.filter((agent) => agent.expiresAtMs > Date.now() + 3_600_000);
  return new Map(usable.map(({ index, ...identity }) => [index, { ...identity, trust }]));
}

function partsOf(path: string): string[] {
  const [folder, name] = [dirname(path), `${basename(path)}.`];
  try {
    const files = readdirSync(folder).filter((file) => file.startsWith(name) && /^\d+$/.test(file.slice(name.length)));
    return files.map((file) => join(folder, file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
