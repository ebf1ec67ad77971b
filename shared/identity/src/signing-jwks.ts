import { generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { importAgentKeys, isPrivateJwk } from './agent-keys.js';
import { isObject } from './compact-jws.js';
import { isPublicKeyX, publicJwk, type Ed25519PrivateJwk, type Ed25519PublicJwk } from './ed25519.js';

interface Named {
  readonly kid: string;
  readonly alg: 'EdDSA';
  readonly use: 'sig';
}

/**
 * The keys that sign agent tokens (RFC 7517 §5). **The first one signs, all of them verify.** To rotate:
 *
 * 1. Append the new key, and roll the document out to every gateway.
 * 2. Move the new key to the front, and roll that out.
 * 3. Drop the old key when the last token that it signed has expired.
 */
export interface PrivateJwks {
  readonly keys: readonly (Ed25519PrivateJwk & Named)[];
}

export interface PublicJwks {
  readonly keys: readonly (Ed25519PublicJwk & Named)[];
}

/** A document with one new key, named by its thumbprint (RFC 7638). */
export async function generateSigningJwks(): Promise<PrivateJwks> {
  const { x, d } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  if (x === undefined || d === undefined) throw new TypeError('the system made no Ed25519 key');
  const kid = await calculateJwkThumbprint({ ...publicJwk(x) });
  return { keys: [{ ...publicJwk(x), d, kid, alg: 'EdDSA', use: 'sig' }] };
}

/** The document without its private parts. */
export function publicJwks(jwks: PrivateJwks): PublicJwks {
  return { keys: jwks.keys.map(({ x, kid }) => ({ ...publicJwk(x), kid, alg: 'EdDSA', use: 'sig' })) };
}

export type ParsedJwks<T = PrivateJwks> =
  | { readonly ok: true; readonly jwks: T }
  /** `fault` is written to follow a variable's name, and does not quote the document. */
  | { readonly ok: false; readonly fault: string };

/** Reads a document as `generateSigningJwks` makes it, from JSON. */
export function parseSigningJwks(text: string): ParsedJwks {
  return parseJwks(text, (entry) =>
    isPrivateJwk(entry) && importAgentKeys(entry) !== undefined
      ? { ...publicJwk(entry.x), d: entry.d }
      : 'must have private Ed25519 keys only (kty OKP, with x and d)',
  );
}

/** Reads a document as `publicJwks` makes it, from JSON. One with private keys is refused: they must not be in that place. */
export function parsePublicJwks(text: string): ParsedJwks<PublicJwks> {
  return parseJwks(text, (entry) => {
    if ('d' in entry) return 'must not have private keys, only their public parts';
    const { kty, crv, x } = entry;
    return kty === 'OKP' && crv === 'Ed25519' && typeof x === 'string' && isPublicKeyX(x)
      ? publicJwk(x)
      : 'must have public Ed25519 keys only (kty OKP, with x)';
  });
}

function parseJwks<K extends Ed25519PublicJwk>(
  text: string,
  read: (entry: Readonly<Record<string, unknown>>) => K | string,
): ParsedJwks<{ readonly keys: readonly (K & Named)[] }> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return { ok: false, fault: 'must be JSON: {"keys":[…]}' };
  }
  const entries: unknown = isObject(document) ? document['keys'] : undefined;
  if (!Array.isArray(entries) || entries.length === 0) {
    return { ok: false, fault: 'must have at least one key in "keys"' };
  }
  const keys: (K & Named)[] = [];
  for (const entry of entries as unknown[]) {
    const key = read(isObject(entry) ? entry : {});
    if (typeof key === 'string') return { ok: false, fault: key };
    const kid = isObject(entry) ? entry['kid'] : undefined;
    if (typeof kid !== 'string' || kid === '' || keys.some((other) => other.kid === kid)) {
      return { ok: false, fault: 'must have a "kid" of its own on every key' };
    }
    keys.push({ ...key, kid, alg: 'EdDSA', use: 'sig' });
  }
  return { ok: true, jwks: { keys } };
}
