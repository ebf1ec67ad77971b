import type { KeyObject } from 'node:crypto';
import { isOrgId } from '@muster/protocol';
import { agentIdFromPublicKey } from './agent-keys.js';
import { AGENT_TOKEN_ISSUER, AGENT_TOKEN_TYPE, type AgentTokenClaims } from './agent-token.js';
import { decodeBase64Url, importPublicKey, isPublicKeyX, verifySignature } from './ed25519.js';
import type { PublicJwks } from './signing-jwks.js';

/** Why a token is refused. For logs and metrics; the one who presented it learns only that it is not valid, or has expired. */
export type AgentTokenFault =
  /** Not a compact JWS, or its header or claims are not those of an agent token. */
  | 'malformed'
  /** Another `typ`: a token of ours or of somebody else's made for another purpose. */
  | 'wrong_type'
  /** Any algorithm but EdDSA, `none` included. */
  | 'wrong_algorithm'
  /** Signed by a key that is not in the document: another deployment's, or one rotated out. */
  | 'unknown_key'
  | 'bad_signature'
  | 'wrong_issuer'
  | 'expired'
  | 'not_yet_valid'
  /** The subject is not the agent of the key that the token is bound to. */
  | 'foreign';

export type AgentTokenResult =
  { readonly ok: true; readonly claims: AgentTokenClaims } | { readonly ok: false; readonly reason: AgentTokenFault };

/** A token of ours has about 500 characters; nothing longer than this is looked at. */
const MAX_TOKEN_CHARS = 2_048;
const CLOCK_TOLERANCE_MS = 60_000;

/**
 * Verifies agent tokens without a look-up, and without waiting: an upgrade is answered in the callback that it came in.
 *
 * Why not jose here: measured with Node 20, `jose.jwtVerify` costs about 125 µs of CPU per token (50 on the main thread, 75 in
 * WebCrypto's thread pool) and this about 90, nearly all of it Ed25519 itself. On the few cores that a gateway shares, a reconnect
 * storm pays for the sum; and an upgrade that need not wait cannot be overtaken by its socket's end. jose makes the tokens, and its
 * own verifier checks them in the tests.
 */
export class AgentTokenVerifier {
  readonly #keys = new Map<string, KeyObject>();

  /** From a public or a private document; private parts are not used. Throws a `TypeError` for a key that is none. */
  constructor(jwks: PublicJwks) {
    for (const { kid, x } of jwks.keys) {
      const key = importPublicKey(x);
      if (key === undefined) throw new TypeError(`key ${kid} is not an Ed25519 public key`);
      this.#keys.set(kid, key);
    }
  }

  /** Never throws. `nowMs` may be off by a minute from the issuer's clock. */
  verify(token: string, nowMs: number): AgentTokenResult {
    const parts = token.length <= MAX_TOKEN_CHARS ? token.split('.') : [];
    const [headerText, payloadText, signatureText] = parts;
    if (parts.length !== 3 || !headerText || !payloadText || !signatureText) return refuse('malformed');
    const header = decodeObject(headerText);
    const signature = decodeBase64Url(signatureText, 64);
    if (header === undefined || signature === undefined) return refuse('malformed');
    // Exactly these three: `crit`, `b64`, `jwk` or `jku` would each change what the signature means (RFC 8725 §3).
    if (Object.keys(header).some((name) => name !== 'alg' && name !== 'typ' && name !== 'kid'))
      return refuse('malformed');
    if (header['typ'] !== AGENT_TOKEN_TYPE) return refuse('wrong_type');
    if (header['alg'] !== 'EdDSA') return refuse('wrong_algorithm');
    const kid = header['kid'];
    const key = typeof kid === 'string' ? this.#keys.get(kid) : undefined;
    if (typeof kid !== 'string' || key === undefined) return refuse('unknown_key');
    const signed = Buffer.from(`${headerText}.${payloadText}`, 'latin1');
    if (!verifySignature(key, signed, signature)) return refuse('bad_signature');
    return checkClaims(decodeObject(payloadText), kid, nowMs);
  }
}

function checkClaims(payload: Record<string, unknown> | undefined, kid: string, nowMs: number): AgentTokenResult {
  if (payload === undefined) return refuse('malformed');
  const { iss, sub, org, num, fd, iat, exp } = payload;
  if (iss !== AGENT_TOKEN_ISSUER) return refuse('wrong_issuer');
  const x = keyOf(payload['cnf']);
  if (typeof iat !== 'number' || typeof exp !== 'number' || x === undefined) return refuse('malformed');
  if (typeof org !== 'string' || !isOrgId(org) || typeof fd !== 'string' || !isPositiveInteger(num))
    return refuse('malformed');
  if (exp * 1_000 + CLOCK_TOLERANCE_MS <= nowMs) return refuse('expired');
  if (iat * 1_000 - CLOCK_TOLERANCE_MS > nowMs) return refuse('not_yet_valid');
  const agentId = agentIdFromPublicKey(x);
  if (sub !== agentId) return refuse('foreign');
  const claims = {
    agentId,
    org,
    num,
    publicKeyX: x,
    factsDigest: fd,
    issuedAtMs: iat * 1_000,
    expiresAtMs: exp * 1_000,
    kid,
  };
  return { ok: true, claims };
}

function keyOf(cnf: unknown): string | undefined {
  if (!isObject(cnf) || !isObject(cnf['jwk'])) return undefined;
  const { kty, crv, x } = cnf['jwk'];
  return kty === 'OKP' && crv === 'Ed25519' && typeof x === 'string' && isPublicKeyX(x) ? x : undefined;
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

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isPositiveInteger = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

const refuse = (reason: AgentTokenFault): AgentTokenResult => ({ ok: false, reason });
