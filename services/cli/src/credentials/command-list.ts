import {
  parsePublicJwks,
  parseSigningJwks,
  publicJwks,
  readCommandKeys,
  signCommandKeys,
  type PrivateJwks,
  type PublicJwks,
} from '@muster/identity';
import type { CommandKeysClaims } from '@muster/protocol';
import { CliError, usageError } from '../terminal/cli-error.js';

export interface ListRequest {
  /** The private JWKS of the root; the first key signs, all of them verify the previous list. */
  readonly root: string;
  /** JWKS documents of signing keys that join the list; only public parts are used. */
  readonly keys: readonly string[];
  /** The list that the new one follows. */
  readonly previous?: string;
  /** Ids of keys that agents must not accept any more. */
  readonly retire: readonly string[];
  /** When the keys that join expire, milliseconds since 1970. */
  readonly expiresAtMs?: number;
}

/**
 * The next key list: the keys of the previous one without those that are retired, and the keys that join. A key leaves only when it
 * is named, so rotations overlap. A retired key never comes back.
 * @throws CliError with what does not fit
 */
export function makeCommandList(request: ListRequest, nowMs: number): { jws: string; claims: CommandKeysClaims } {
  const root = privateDocument(request.root);
  const before = request.previous === undefined ? undefined : previousList(request.previous, root);
  const joining = request.keys.flatMap((text) => publicDocument(text).keys);
  const kept = before?.keys ?? [];
  const known = [...kept, ...joining].map(({ kid }) => kid);
  for (const kid of request.retire) {
    // With a mistyped id the key that was meant to go would stay valid.
    if (before !== undefined && !known.includes(kid) && !before.retired.includes(kid)) {
      throw usageError(`no key of the list is called ${kid}`, `there are ${known.join(', ')}`);
    }
  }
  const retired = [...new Set([...(before?.retired ?? []), ...request.retire])];
  const again = joining.find(({ kid }) => retired.includes(kid));
  if (again !== undefined) throw usageError(`key ${again.kid} is retired and cannot join`, 'make a new key');
  const rootKeys = publicJwks(root).keys;
  const same = joining.find(({ x }) => rootKeys.some((key) => key.x === x));
  if (same !== undefined) throw usageError(`key ${same.kid} is the root, which signs lists and no commands`);

  const keys = [
    ...kept.filter(({ kid }) => !retired.includes(kid) && !joining.some((key) => key.kid === kid)),
    ...joining.map(({ kid, x }) => ({ kid, x, ...expiry(request.expiresAtMs, nowMs) })),
  ];
  if (keys.length === 0) throw usageError('the list would have no key', 'name a document with --keys');
  const version = (before?.version ?? 0) + 1;
  const claims = { version, iat: Math.floor(nowMs / 1_000), keys, retired };
  return { jws: signList(root, claims), claims: { iss: 'muster', ...claims } };
}

/** The public parts of one or more documents, as one. */
export function publicParts(texts: readonly string[]): PublicJwks {
  const keys = texts.flatMap((text) => publicDocument(text).keys);
  const twice = keys.find(({ kid }, i) => keys.findIndex((key) => key.kid === kid) !== i);
  if (twice !== undefined) throw usageError(`key ${twice.kid} is given twice`);
  return { keys };
}

function expiry(atMs: number | undefined, nowMs: number): { exp?: number } {
  if (atMs === undefined) return {};
  if (atMs <= nowMs) throw usageError('--expires is in the past');
  return { exp: Math.floor(atMs / 1_000) };
}

function previousList(jws: string, root: PrivateJwks): CommandKeysClaims {
  const read = readCommandKeys(jws, publicJwks(root).keys);
  if (read.ok) return read.claims;
  throw read.reason === 'unknown_key'
    ? usageError('another root has signed the previous list', 'put that root behind the new one in the same document')
    : usageError(`the previous list is not one that this root has signed (${read.reason})`);
}

function privateDocument(text: string): PrivateJwks {
  const parsed = parseSigningJwks(text);
  if (parsed.ok) return parsed.jwks;
  throw usageError(`the root ${parsed.fault}`);
}

/** Private and public documents are accepted: the machine with the root does not need the private signing keys. */
function publicDocument(text: string): PublicJwks {
  const asPublic = parsePublicJwks(text);
  if (asPublic.ok) return asPublic.jwks;
  const asPrivate = parseSigningJwks(text);
  if (asPrivate.ok) return publicJwks(asPrivate.jwks);
  throw usageError(`a document of keys ${asPublic.fault}`);
}

function signList(root: PrivateJwks, claims: Omit<CommandKeysClaims, 'iss'>): string {
  try {
    return signCommandKeys(root, claims);
  } catch (cause) {
    throw new CliError(`the list cannot be signed: ${(cause as Error).message}`, { cause });
  }
}
