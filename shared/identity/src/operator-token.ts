import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { base32 } from '@muster/protocol';
import type { OperatorTokenRecord } from '@muster/records';
import type { Principal } from './principal.js';

/**
 * An operator's API token: `mst_` + id (16 characters) + `_` + secret (52) + checksum (7), all lowercase base32. The prefix and the
 * checksum let secret scanners find a leaked one, and let a mistyped one be refused without a look-up.
 */
export interface MintedToken {
  readonly tokenId: string;
  /** Shown once, stored nowhere. */
  readonly token: string;
  /**
   * SHA-256 of the whole token, hex; only this is stored. A slow hash would add nothing: it protects guessable secrets, and this one
   * has 256 random bits.
   */
  readonly hash: string;
}

const TOKEN_FORM = /^mst_([a-z2-7]{16})_([a-z2-7]{52})([a-z2-7]{7})$/;

export function mintOperatorToken(): MintedToken {
  const tokenId = base32(randomBytes(10));
  const secret = base32(randomBytes(32));
  const token = `mst_${tokenId}_${secret}${checksum(tokenId, secret)}`;
  return { tokenId, token, hash: hashOperatorToken(token) };
}

export type ParsedToken =
  | { readonly ok: true; readonly tokenId: string }
  /** `malformed`: not a token of this form. `bad_checksum`: a mistyped one. */
  | { readonly ok: false; readonly reason: 'malformed' | 'bad_checksum' };

/** Parses a presented token; does not check whether it was ever issued. */
export function parseOperatorToken(token: string): ParsedToken {
  const [, tokenId, secret, check] = TOKEN_FORM.exec(token) ?? [];
  if (tokenId === undefined || secret === undefined) return { ok: false, reason: 'malformed' };
  return checksum(tokenId, secret) === check ? { ok: true, tokenId } : { ok: false, reason: 'bad_checksum' };
}

/** SHA-256 of the whole token, hex. */
export function hashOperatorToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Compares in constant time. */
export function operatorTokenMatches(token: string, hash: string): boolean {
  const expected = Buffer.from(hash, 'hex');
  const presented = createHash('sha256').update(token).digest();
  return expected.length === presented.length && timingSafeEqual(expected, presented);
}

export type OperatorTokenResult =
  | { readonly ok: true; readonly principal: Principal }
  | { readonly ok: false; readonly reason: 'unknown' | 'revoked' | 'expired' };

/** Checks a presented token against the record of its id (`undefined` when there is none). */
export function verifyOperatorToken(
  token: string,
  record: OperatorTokenRecord | undefined,
  nowMs: number,
): OperatorTokenResult {
  if (record === undefined || !operatorTokenMatches(token, record.hash)) return { ok: false, reason: 'unknown' };
  return operatorTokenPrincipal(record, nowMs);
}

/** Who a token makes somebody, as its record is now. Whether they have the token itself, the caller must know. */
export function operatorTokenPrincipal(record: OperatorTokenRecord, nowMs: number): OperatorTokenResult {
  if (record.revokedAtMs !== undefined) return { ok: false, reason: 'revoked' };
  if (record.expiresAtMs !== undefined && record.expiresAtMs <= nowMs) return { ok: false, reason: 'expired' };
  const { tokenId: id, name, org, role, selector, expiresAtMs } = record;
  const bounds = {
    ...(selector === undefined ? {} : { selector }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
  return { ok: true, principal: { kind: 'token', id, name, org, role, ...bounds } };
}

function checksum(tokenId: string, secret: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(`${tokenId}_${secret}`));
  return base32(bytes);
}
