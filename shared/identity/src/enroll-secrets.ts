import { createHash, timingSafeEqual } from 'node:crypto';
import { isOrgId } from '@muster/protocol';

/** The secrets with which endpoints may enrol, by org. Only their hashes are in memory. */
export interface EnrollSecrets {
  /** The orgs with at least one secret. */
  readonly orgs: readonly string[];
  /** True when this is one of the org's secrets. Takes the same time for an unknown org, a wrong secret and a right one. */
  matches(org: string, secret: string): boolean;
}

export type ParsedEnrollSecrets =
  | { readonly ok: true; readonly secrets: EnrollSecrets }
  /** `fault` is written to follow a variable's name, and quotes no secret. */
  | { readonly ok: false; readonly fault: string };

const MIN_SECRET_CHARS = 16;

/**
 * Reads `acme=secret,acme=next-secret,globex=other`, or JSON `{"acme":["secret","next-secret"],"globex":"other"}` for secrets with a comma.
 * An org may have several secrets, so that a new one can be given out before the old one is withdrawn.
 */
export function parseEnrollSecrets(text: string): ParsedEnrollSecrets {
  const pairs = text.trimStart().startsWith('{') ? fromJson(text) : fromList(text);
  if (pairs === undefined) return { ok: false, fault: 'must be org=secret,org=secret or JSON {"org":["secret"]}' };
  if (pairs.length === 0) return { ok: false, fault: 'must have at least one secret' };
  const hashes = new Map<string, Buffer[]>();
  for (const [org, secret] of pairs) {
    if (!isOrgId(org))
      return { ok: false, fault: `has an org that is not [a-z0-9-], 1 to 63 characters: ${JSON.stringify(org)}` };
    // They are compared by a fast hash and can be tried over the network, so they must not be guessable.
    if (secret.length < MIN_SECRET_CHARS)
      return { ok: false, fault: `has a secret of ${org} shorter than ${MIN_SECRET_CHARS} characters` };
    hashes.set(org, [...(hashes.get(org) ?? []), sha256(secret)]);
  }
  return { ok: true, secrets: secretsOf(hashes) };
}

function secretsOf(hashes: ReadonlyMap<string, readonly Buffer[]>): EnrollSecrets {
  const noMatch = [Buffer.alloc(32)];
  return {
    orgs: [...hashes.keys()],
    matches(org, secret) {
      const presented = sha256(secret);
      let found = false;
      for (const hash of hashes.get(org) ?? noMatch) found = timingSafeEqual(hash, presented) || found;
      return found;
    },
  };
}

type Pairs = readonly (readonly [org: string, secret: string])[];

function fromList(text: string): Pairs | undefined {
  const items = text.split(',').map((item) => item.trim());
  const pairs = items
    .filter((item) => item !== '')
    .map((item) => [item.split('=', 1)[0] ?? '', item.replace(/^[^=]*=?/, '')] as const);
  return pairs.every(([, secret]) => secret !== '') ? pairs : undefined;
}

function fromJson(text: string): Pairs | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof document !== 'object' || document === null) return undefined;
  const pairs: (readonly [string, string])[] = [];
  for (const [org, value] of Object.entries(document as Record<string, unknown>)) {
    for (const secret of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof secret !== 'string') return undefined;
      pairs.push([org, secret]);
    }
  }
  return pairs;
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
