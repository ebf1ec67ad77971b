import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { base32, type AgentId } from '@muster/protocol';
import { decodeBase64Url, type Ed25519PrivateJwk, type Ed25519PublicJwk } from './ed25519.js';

/** An agent's identity: its key pair, and the id derived from it. */
export interface AgentKeys {
  readonly agentId: AgentId;
  /** base64url of the raw public key. */
  readonly publicKeyX: string;
  readonly privateKey: KeyObject;
}

export function generateAgentKeys(): AgentKeys {
  return agentKeysOf(generateKeyPairSync('ed25519').privateKey);
}

/** The form in which an agent stores its identity. It holds the private key. */
export function exportAgentKeys(keys: AgentKeys): Ed25519PrivateJwk {
  const { x, d } = keys.privateKey.export({ format: 'jwk' });
  if (x === undefined || d === undefined) throw new TypeError('not a private Ed25519 key');
  return { kty: 'OKP', crv: 'Ed25519', x, d };
}

/** Reads what `exportAgentKeys` returned; `undefined` for anything else, or when the public key does not match the private one. */
export function importAgentKeys(jwk: unknown): AgentKeys | undefined {
  if (!isPrivateJwk(jwk)) return undefined;
  try {
    const keys = agentKeysOf(createPrivateKey({ key: { ...jwk }, format: 'jwk' }));
    return keys.publicKeyX === jwk.x ? keys : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The agent id of a public key, given as raw 32 bytes, as base64url of them, or as a JWK: base32 of the first 15 bytes of the raw key's
 * SHA-256. 120 bits make a second key with the same id infeasible. Throws a `TypeError` for anything that is no public key.
 */
export function agentIdFromPublicKey(key: Uint8Array | string | Ed25519PublicJwk): AgentId {
  const raw = key instanceof Uint8Array ? key : decodeBase64Url(typeof key === 'string' ? key : key.x, 32);
  if (raw?.length !== 32) throw new TypeError('an Ed25519 public key has 32 bytes');
  return base32(createHash('sha256').update(raw).digest().subarray(0, 15)) as AgentId;
}

function agentKeysOf(privateKey: KeyObject): AgentKeys {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  if (x === undefined) throw new TypeError('not an Ed25519 key');
  return { agentId: agentIdFromPublicKey(x), publicKeyX: x, privateKey };
}

/** True when the value has the members of a private Ed25519 JWK; the key itself is not checked. */
export function isPrivateJwk(value: unknown): value is Ed25519PrivateJwk {
  if (typeof value !== 'object' || value === null) return false;
  const { kty, crv, x, d } = value as Record<string, unknown>;
  return kty === 'OKP' && crv === 'Ed25519' && typeof x === 'string' && typeof d === 'string';
}
