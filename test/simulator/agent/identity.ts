import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type { Trust } from '../commands/command-verifier.js';

/** What an agent got from its enrolment. */
export interface Identity {
  readonly agentId: string;
  readonly num: number;
  readonly token: string;
  readonly expiresAtMs: number;
  readonly publicKeyX: string;
  /** The command roots that it pinned at enrolment. */
  readonly trust: Trust;
}

/** Node derives a private key from `d` alone, but requires an `x` of the right length beside it. */
const ANY_X = Buffer.alloc(32).toString('base64url');

/** A simulated agent's key pair. */
export interface SimulatedKey {
  readonly privateKey: KeyObject;
  /** base64url of the raw public key. */
  readonly publicKeyX: string;
}

/**
 * The key of simulated agent `index`. It is derived from the seed, so a fleet keeps its identities without a file, and the seed is a
 * secret. It is created at each use: an agent needs it once per connection, and a `KeyObject` takes a kilobyte. JWK is ten times as fast
 * as DER in Node 20.
 */
export function simulatedKey(seed: number, index: number, publicKeyX?: string): SimulatedKey {
  const d = createHash('sha256').update(`muster simulated agent ${seed} ${index}`).digest('base64url');
  const key = { kty: 'OKP', crv: 'Ed25519', x: publicKeyX ?? ANY_X, d };
  const privateKey = createPrivateKey({ key, format: 'jwk' });
  return { privateKey, publicKeyX: publicKeyX ?? createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '' };
}

/** The 16 bytes that identify the machine in HELLO. */
export function simulatedInstance(seed: number, index: number): Uint8Array {
  return createHash('sha256').update(`muster simulated machine ${seed} ${index}`).digest().subarray(0, 16);
}
