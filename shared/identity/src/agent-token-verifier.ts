import type { KeyObject } from 'node:crypto';
import { isOrgId } from '@muster/protocol';
import { agentIdFromPublicKey } from './agent-keys.js';
import { AGENT_TOKEN_ISSUER, AGENT_TOKEN_TYPE, type AgentTokenClaims } from './agent-token.js';
import { importKeys } from './command-keys.js';
import { isObject, openJws, type JwsFault } from './compact-jws.js';
import { isPublicKeyX } from './ed25519.js';
import type { PublicJwks } from './signing-jwks.js';

/** Why a token is refused. For logs and metrics; the caller learns only that it is invalid, or has expired. */
export type AgentTokenFault =
  /** `unknown_key`: the key of another deployment, or one that was rotated out. */
  | JwsFault
  /** The caller did not allow the signature to be checked now. */
  | 'unchecked'
  | 'wrong_issuer'
  | 'expired'
  | 'not_yet_valid'
  /** The subject is not the agent of the key that the token is bound to. */
  | 'foreign';

export type AgentTokenResult =
  { readonly ok: true; readonly claims: AgentTokenClaims } | { readonly ok: false; readonly reason: AgentTokenFault };

/** Our tokens have about 500 characters; longer input than this is refused unread. */
const MAX_TOKEN_CHARS = 2_048;
const CLOCK_TOLERANCE_MS = 60_000;

/**
 * Verifies agent tokens without a look-up and synchronously: an upgrade is answered in the callback that it arrived in.
 *
 * Why not jose here: measured with Node 20, `jose.jwtVerify` costs about 125 µs of CPU per token, 50 on the main thread and 75 in
 * WebCrypto's thread pool. This code costs about 90, nearly all of it Ed25519. A gateway has few cores, so a reconnect storm costs the
 * sum. A synchronous upgrade also cannot be overtaken by the end of its socket. jose issues the tokens, and the tests verify them with
 * jose too.
 */
export class AgentTokenVerifier {
  #keys: ReadonlyMap<string, KeyObject>;

  /** Takes a public or a private document; private parts are not used. Throws a `TypeError` for an invalid key. */
  constructor(jwks: PublicJwks) {
    this.#keys = importKeys(jwks.keys);
  }

  /**
   * Believes the keys of this document, and no others, from now on. Throws a `TypeError` for an invalid key, and goes
   * on with those before.
   */
  renew(jwks: PublicJwks): void {
    this.#keys = importKeys(jwks.keys);
  }

  /**
   * Never throws. Tolerates a minute between `nowMs` and the issuer's clock. `mayCheck` is asked before the signature is checked, which is
   * what a token costs; what is no token of this deployment at first sight costs nothing.
   */
  verify(token: string, nowMs: number, mayCheck: () => boolean = () => true): AgentTokenResult {
    const opened = openJws(token, {
      typ: AGENT_TOKEN_TYPE,
      maxChars: MAX_TOKEN_CHARS,
      keyOf: (kid) => {
        const key = this.#keys.get(kid);
        if (key === undefined) return 'unknown_key';
        return mayCheck() ? key : 'unchecked';
      },
    });
    return opened.ok ? checkClaims(opened.payload, opened.kid, nowMs) : opened;
  }
}

function checkClaims(payload: Readonly<Record<string, unknown>>, kid: string, nowMs: number): AgentTokenResult {
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

const isPositiveInteger = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

const refuse = (reason: AgentTokenFault): AgentTokenResult => ({ ok: false, reason });
