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

/** A private key of Ed25519 in PKCS #8, without the 32 bytes that follow (RFC 8410, section 7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A simulated agent's key pair. */
export interface SimulatedKey {
  readonly privateKey: KeyObject;
  /** base64url of the raw public key. */
  readonly publicKeyX: string;
}

/**
 * The key of simulated agent `index`. It is derived from the seed, so a fleet keeps its identities without a file, and the seed is a
 * secret. It is created at each use: an agent needs it once per connection, and a `KeyObject` takes a kilobyte. With its public key it is a
 * JWK, which is ten times as fast as DER in Node 20; Node 24 takes no JWK in which the two do not belong together.
 */
export function simulatedKey(seed: number, index: number, publicKeyX?: string): SimulatedKey {
  const secret = createHash('sha256').update(`muster simulated agent ${seed} ${index}`).digest();
  if (publicKeyX !== undefined) {
    const key = { kty: 'OKP', crv: 'Ed25519', x: publicKeyX, d: secret.toString('base64url') };
    return { privateKey: createPrivateKey({ key, format: 'jwk' }), publicKeyX };
  }
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, secret]), format: 'der', type: 'pkcs8' });
  return { privateKey, publicKeyX: createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '' };
}

/** The 16 bytes that identify the machine in HELLO. */
export function simulatedInstance(seed: number, index: number): Uint8Array {
  return createHash('sha256').update(`muster simulated machine ${seed} ${index}`).digest().subarray(0, 16);
}
