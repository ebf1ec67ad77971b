import { generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { importAgentKeys, isPrivateJwk } from './agent-keys.js';
import { publicJwk, type Ed25519PrivateJwk, type Ed25519PublicJwk } from './ed25519.js';

interface Named {
  readonly kid: string;
  readonly alg: 'EdDSA';
  readonly use: 'sig';
}

/**
 * The keys that sign agent tokens (RFC 7517 §5). **The first one signs, all of them verify.** To rotate: append the new key and
 * roll that out to every gateway, move it to the front and roll that out, and drop the old one when the last token it signed has
 * expired.
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

export type ParsedJwks =
  | { readonly ok: true; readonly jwks: PrivateJwks }
  /** `fault` fits behind a variable's name and does not quote the document. */
  | { readonly ok: false; readonly fault: string };

/** Reads a document as `generateSigningJwks` makes it, from JSON. */
export function parseSigningJwks(text: string): ParsedJwks {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return { ok: false, fault: 'must be JSON: {"keys":[…]}' };
  }
  const entries: unknown =
    typeof document === 'object' && document !== null && 'keys' in document ? document.keys : undefined;
  if (!Array.isArray(entries) || entries.length === 0)
    return { ok: false, fault: 'must have at least one key in "keys"' };
  const keys: (Ed25519PrivateJwk & Named)[] = [];
  for (const entry of entries as unknown[]) {
    if (!isPrivateJwk(entry) || importAgentKeys(entry) === undefined) {
      return { ok: false, fault: 'must have private Ed25519 keys only (kty OKP, with x and d)' };
    }
    const kid = 'kid' in entry ? entry.kid : undefined;
    if (typeof kid !== 'string' || kid === '' || keys.some((key) => key.kid === kid)) {
      return { ok: false, fault: 'must have a "kid" of its own on every key' };
    }
    keys.push({ kty: 'OKP', crv: 'Ed25519', x: entry.x, d: entry.d, kid, alg: 'EdDSA', use: 'sig' });
  }
  return { ok: true, jwks: { keys } };
}
