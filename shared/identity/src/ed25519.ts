import { createPublicKey, verify, type KeyObject } from 'node:crypto';

/** A public Ed25519 key as a JSON Web Key (RFC 8037 §2). */
export interface Ed25519PublicJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  /** base64url of the raw 32 bytes. */
  readonly x: string;
}

/** The same with its private part. */
export interface Ed25519PrivateJwk extends Ed25519PublicJwk {
  readonly d: string;
}

export function publicJwk(x: string): Ed25519PublicJwk {
  return { kty: 'OKP', crv: 'Ed25519', x };
}

/**
 * Decodes base64url; `undefined` for anything but its canonical form. `Buffer.from` alone skips unknown characters and accepts several
 * spellings of the same bytes.
 */
export function decodeBase64Url(text: string, length?: number): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  if (length !== undefined && bytes.length !== length) return undefined;
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/** True for base64url of 32 bytes. That is all that can be checked of an Ed25519 public key without using it. */
export function isPublicKeyX(x: string): boolean {
  return decodeBase64Url(x, 32) !== undefined;
}

/** Imports a public key; `undefined` when `x` is not base64url of 32 bytes. */
export function importPublicKey(x: string): KeyObject | undefined {
  // JWK is ten times as fast as DER in Node 20 (8 µs against 86).
  return isPublicKeyX(x) ? createPublicKey({ key: { ...publicJwk(x) }, format: 'jwk' }) : undefined;
}

/** False for any wrong signature; never throws. */
export function verifySignature(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === 64 && verify(null, message, key, signature);
}
