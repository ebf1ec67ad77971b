import { sign, type KeyObject } from 'node:crypto';
import { decodeBase64Url, verifySignature } from './ed25519.js';

/** Why a text is not the expected JWS. */
export type JwsFault =
  /** Not a compact JWS, or its header or payload are not those of its type. */
  | 'malformed'
  /** Another `typ`: it was made for another purpose. */
  | 'wrong_type'
  /** Any algorithm but EdDSA, `none` included. */
  | 'wrong_algorithm'
  /** Signed by an unknown key. */
  | 'unknown_key'
  | 'bad_signature';

export interface JwsExpectation<F extends string> {
  readonly typ: string;
  /** Longer input is refused unread. */
  readonly maxChars: number;
  /** The key of an id, or the reason why there is none. */
  keyOf(this: void, kid: string): KeyObject | F;
}

export type OpenedJws<F extends string> =
  | { readonly ok: true; readonly kid: string; readonly payload: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly reason: JwsFault | F };

/**
 * Verifies and opens a compact JWS (RFC 7515 §3.1) signed with Ed25519, as strictly as RFC 8725 requires: one algorithm, one type,
 * exactly the header members `alg`, `kid` and `typ`, canonical base64url, and a JSON object as payload. Never throws.
 */
export function openJws<F extends string>(text: string, { typ, maxChars, keyOf }: JwsExpectation<F>): OpenedJws<F> {
  const parts = text.length <= maxChars ? text.split('.') : [];
  const [headerText, payloadText, signatureText] = parts;
  if (parts.length !== 3 || !headerText || !payloadText || !signatureText) return { ok: false, reason: 'malformed' };
  const header = decodeObject(headerText);
  const signature = decodeBase64Url(signatureText, 64);
  if (header === undefined || signature === undefined) return { ok: false, reason: 'malformed' };
  // `crit`, `b64`, `jwk` or `jku` would each change what the signature means (RFC 8725 §3).
  if (Object.keys(header).some((name) => name !== 'alg' && name !== 'typ' && name !== 'kid')) {
    return { ok: false, reason: 'malformed' };
  }
  if (header['typ'] !== typ) return { ok: false, reason: 'wrong_type' };
  if (header['alg'] !== 'EdDSA') return { ok: false, reason: 'wrong_algorithm' };
  const kid = header['kid'];
  if (typeof kid !== 'string') return { ok: false, reason: 'unknown_key' };
  const key = keyOf(kid);
  if (typeof key === 'string') return { ok: false, reason: key };
  const signed = Buffer.from(`${headerText}.${payloadText}`, 'latin1');
  if (!verifySignature(key, signed, signature)) return { ok: false, reason: 'bad_signature' };
  const payload = decodeObject(payloadText);
  return payload === undefined ? { ok: false, reason: 'malformed' } : { ok: true, kid, payload };
}

/** Signs a payload as a compact JWS that `openJws` opens. */
export function signJws(payload: object, { key, kid, typ }: { key: KeyObject; kid: string; typ: string }): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'EdDSA', kid, typ })}.${encode(payload)}`;
  return `${signed}.${sign(null, Buffer.from(signed, 'latin1'), key).toString('base64url')}`;
}

function decodeObject(text: string): Record<string, unknown> | undefined {
  const bytes = decodeBase64Url(text);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
