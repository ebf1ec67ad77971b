import type { AgentId, OrgId } from '@muster/protocol';
import { importJWK, SignJWT, type CryptoKey } from 'jose';
import { agentIdFromPublicKey } from './agent-keys.js';
import { isPublicKeyX, publicJwk } from './ed25519.js';
import type { PrivateJwks } from './signing-jwks.js';

/** The claims of an agent token. Times are milliseconds here, seconds in the token. */
export interface AgentTokenClaims {
  readonly agentId: AgentId;
  readonly org: OrgId;
  /** The agent's number in this deployment. */
  readonly num: number;
  /** The agent's public key, base64url. The hello must prove possession of its private part. */
  readonly publicKeyX: string;
  /** Digest of the facts and labels that the deployment has on record for the agent. */
  readonly factsDigest: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly kid: string;
}

export const AGENT_TOKEN_TYPE = 'muster-agent+jwt';
export const AGENT_TOKEN_ISSUER = 'muster';
export const AGENT_TOKEN_TTL_MS = 30 * 86_400_000;

export interface AgentTokenRequest {
  readonly org: OrgId;
  readonly num: number;
  readonly publicKeyX: string;
  readonly factsDigest: string;
  readonly ttlMs?: number;
}

/** Makes agent tokens: compact JWS with EdDSA, bound to the agent's key by `cnf` (RFC 7800). */
export class AgentTokenIssuer {
  #jwks: PrivateJwks;
  #key: Promise<CryptoKey | Uint8Array> | undefined;

  constructor(jwks: PrivateJwks) {
    this.#jwks = jwks;
  }

  /** The first key of this document signs from now on. */
  renew(jwks: PrivateJwks): void {
    [this.#jwks, this.#key] = [jwks, undefined];
  }

  /** Signs with the first key of the document. The subject is derived from the public key, so the two always match. */
  async issue(request: AgentTokenRequest, nowMs: number): Promise<string> {
    const signer = this.#jwks.keys[0];
    if (signer === undefined) throw new TypeError('no signing key');
    if (!isPublicKeyX(request.publicKeyX)) throw new TypeError('an Ed25519 public key has 32 bytes');
    this.#key ??= importJWK({ ...signer }, 'EdDSA');
    const issuedAt = Math.floor(nowMs / 1_000);
    return new SignJWT({
      org: request.org,
      num: request.num,
      cnf: { jwk: publicJwk(request.publicKeyX) },
      fd: request.factsDigest,
    })
      .setProtectedHeader({ alg: 'EdDSA', typ: AGENT_TOKEN_TYPE, kid: signer.kid })
      .setIssuer(AGENT_TOKEN_ISSUER)
      .setSubject(agentIdFromPublicKey(request.publicKeyX))
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + Math.floor((request.ttlMs ?? AGENT_TOKEN_TTL_MS) / 1_000))
      .sign(await this.#key);
  }
}

/** True after half of the token's lifetime: the next WELCOME should carry a new one. */
export function needsRenewal(claims: Pick<AgentTokenClaims, 'issuedAtMs' | 'expiresAtMs'>, nowMs: number): boolean {
  return nowMs > (claims.issuedAtMs + claims.expiresAtMs) / 2;
}
