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

/**
 * The encodings of points of small order, without the sign bit: the same list as in libsodium (`ge25519_has_small_order`).
 * With such a key anybody can make signatures that are valid for many messages.
 */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/**
 * True for base64url of 32 bytes that are no point of small order. Whether they are a point at all shows when the key is
 * used: no signature is valid for a key that is none.
 */
export function isPublicKeyX(x: string): boolean {
  const bytes = decodeBase64Url(x, 32);
  if (bytes === undefined) return false;
  bytes[31] = (bytes[31] ?? 0) & 0x7f;
  return !SMALL_ORDER.has(bytes.toString('hex'));
}

/** Imports a public key; `undefined` when `x` is none ({@link isPublicKeyX}). */
export function importPublicKey(x: string): KeyObject | undefined {
  // JWK is ten times as fast as DER in Node 20 (8 µs against 86).
  return isPublicKeyX(x) ? createPublicKey({ key: { ...publicJwk(x) }, format: 'jwk' }) : undefined;
}

/** False for any wrong signature; never throws. */
export function verifySignature(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === 64 && verify(null, message, key, signature);
}
