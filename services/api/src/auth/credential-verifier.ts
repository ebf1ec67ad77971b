import {
  BOOTSTRAP,
  hashOperatorToken,
  operatorTokenMatches,
  parseOperatorToken,
  subjectPerson,
  verifyOperatorToken,
  type OidcVerifier,
  type Principal as VerifiedPrincipal,
  type Standing,
} from '@muster/identity';
import { AppError, type OrgId } from '@muster/protocol';
import type { Clock, Secret } from '@muster/runtime';
import { withBound, type AuthResult, type Authenticator } from '../http/principal.js';
import { standingOf } from './token-standing.js';
import type { TokenStore } from './token-store.js';

export interface AuthenticatorOptions {
  readonly tokens: TokenStore;
  readonly clock: Clock;
  readonly oidc?: OidcVerifier;
  /** A configured token with the role admin, for the first login. */
  readonly bootstrap?: { readonly token: Secret; readonly org: OrgId };
}

const MAX_CREDENTIAL_CHARS = 8 * 1024;

type Verified = { readonly ok: true; readonly principal: VerifiedPrincipal & Standing };

/** Verifies the `Authorization` header: an operator token, or a JWT where an identity provider is configured. */
export class CredentialVerifier implements Authenticator {
  readonly #tokens: TokenStore;
  readonly #clock: Clock;
  readonly #oidc: OidcVerifier | undefined;
  readonly #bootstrap: { readonly hash: string; readonly principal: Verified['principal'] } | undefined;

  constructor({ tokens, clock, oidc, bootstrap }: AuthenticatorOptions) {
    this.#tokens = tokens;
    this.#clock = clock;
    this.#oidc = oidc;
    if (bootstrap !== undefined) {
      this.#bootstrap = {
        hash: hashOperatorToken(bootstrap.token.reveal()),
        principal: {
          ...{ kind: 'token', id: 'bootstrap', name: 'bootstrap', org: bootstrap.org, role: 'admin' },
          ...{ person: BOOTSTRAP, origin: BOOTSTRAP },
        },
      };
    }
  }

  async authenticate(authorization: string | undefined): Promise<AuthResult> {
    if (authorization === undefined) return refused('missing', 'send "Authorization: Bearer <token>"');
    const credential = /^bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1];
    if (credential === undefined || credential.length > MAX_CREDENTIAL_CHARS) {
      return refused('malformed', 'the Authorization header is not of the form "Bearer <token>"');
    }
    const verified = credential.startsWith('mst_') ? this.#byToken(credential) : await this.#byJwt(credential);
    if (!verified.ok) return verified;
    const principal = withBound(verified.principal);
    return principal === undefined
      ? refused('bad_selector', 'the selector that bounds these credentials cannot be read')
      : { ok: true, principal };
  }

  #byToken(token: string): (AuthResult & { readonly ok: false }) | Verified {
    if (this.#bootstrap !== undefined && operatorTokenMatches(token, this.#bootstrap.hash)) {
      return { ok: true, principal: this.#bootstrap.principal };
    }
    const parsed = parseOperatorToken(token);
    if (!parsed.ok) return refused(parsed.reason, 'the token is not a whole one; was it cut off?');
    const nowMs = this.#clock.now();
    const record = this.#tokens.find(parsed.tokenId);
    const result = verifyOperatorToken(token, record, nowMs);
    if (result.ok && record !== undefined) {
      this.#tokens.noteUse(parsed.tokenId, nowMs);
      return { ok: true, principal: { ...result.principal, ...standingOf(record, (id) => this.#tokens.find(id)) } };
    }
    if (result.ok) return refused('unknown', 'the token is not valid');
    if (result.reason === 'unknown' && !this.#tokens.caughtUp) {
      const error = new AppError('broker_unavailable', 'tokens are not read yet; try again in a moment', {
        details: { retryAfterMs: 1_000 },
      });
      return { ok: false, reason: 'not_ready', error };
    }
    if (result.reason === 'expired') return expired();
    return refused(result.reason, 'the token is not valid');
  }

  async #byJwt(token: string): Promise<(AuthResult & { readonly ok: false }) | Verified> {
    if (this.#oidc === undefined) return refused('malformed', 'the token is not an operator token (mst_…)');
    const result = await this.#oidc.verify(token, this.#clock.now());
    if (result.ok) {
      const person = subjectPerson(this.#oidc.issuer, result.principal.id);
      return { ok: true, principal: { ...result.principal, person, origin: person } };
    }
    if (result.reason === 'expired') return expired();
    if (result.reason === 'keys_unavailable') {
      const error = new AppError('timeout', "the identity provider's keys cannot be read now; try again");
      return { ok: false, reason: 'oidc_keys_unavailable', error };
    }
    return refused(`oidc_${result.reason}`, `the JWT is refused: ${result.reason.replaceAll('_', ' ')}`);
  }
}

function refused(reason: string, message: string): AuthResult & { ok: false } {
  return { ok: false, reason, error: new AppError('unauthenticated', message) };
}

function expired(): AuthResult & { ok: false } {
  return { ok: false, reason: 'expired', error: new AppError('token_expired', 'the token has expired; get a new one') };
}
