import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Identity } from '../agent/identity.js';

interface Kept {
  readonly org: string;
  readonly seed: number;
  readonly agents: readonly (Omit<Identity, 'trust'> & { readonly index: number })[];
  /** The roots that all of them pinned. */
  readonly trust: Identity['trust'];
}

/** Identities from an earlier run for the same org and seed. Leaves out those whose tokens expire within an hour. */
export function readIdentities(path: string, org: string, seed: number): Map<number, Identity> {
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

/** Adds identities to the file. Only its owner can read it: they are credentials. */
export function writeIdentities(
  path: string,
  org: string,
  seed: number,
  identities: ReadonlyMap<number, Identity>,
): void {
  const all = new Map([...readIdentities(path, org, seed), ...identities]);
  const [first] = identities.values();
  const agents = [...all].map(([index, { agentId, num, token, expiresAtMs, publicKeyX }]) => {
    return { index, agentId, num, token, expiresAtMs, publicKeyX };
  });
  const kept: Kept = { org, seed, trust: first?.trust ?? [], agents };
  writeFileSync(`${path}.new`, JSON.stringify(kept), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
