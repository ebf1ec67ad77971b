import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/** Node makes a private key from `d` alone, but wants some `x` of the right length beside it. */
const ANY_X = Buffer.alloc(32).toString('base64url');

/** A simulated agent's key pair. */
export interface SimulatedKey {
  readonly privateKey: KeyObject;
  /** base64url of the raw public key. */
  readonly publicKeyX: string;
}

/**
 * The key of simulated agent `index`. It follows from the seed, so a fleet keeps its identities without a file; whoever knows the seed
 * has the keys. Made anew at each use, because an agent needs it once per connection and a `KeyObject` is a kilobyte. By JWK, which is
 * ten times as fast as DER in Node 20.
 */
export function simulatedKey(seed: number, index: number, publicKeyX?: string): SimulatedKey {
  const d = createHash('sha256').update(`muster simulated agent ${seed} ${index}`).digest('base64url');
  const key = { kty: 'OKP', crv: 'Ed25519', x: publicKeyX ?? ANY_X, d };
  const privateKey = createPrivateKey({ key, format: 'jwk' });
  return { privateKey, publicKeyX: publicKeyX ?? createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '' };
}

/** The 16 bytes that name the machine in HELLO. */
export function simulatedInstance(seed: number, index: number): Uint8Array {
  return createHash('sha256').update(`muster simulated machine ${seed} ${index}`).digest().subarray(0, 16);
}
