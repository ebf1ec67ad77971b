import {
  BOOTSTRAP,
  hashOperatorToken,
  operatorTokenMatches,
  operatorTokenPrincipal,
  parseOperatorToken,
  subjectPerson,
  verifyOperatorToken,
  type OidcVerifier,
  type Principal as VerifiedPrincipal,
  type Standing,
} from '@muster/identity';
import { AppError, type OrgId } from '@muster/protocol';
import type { OperatorTokenRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { expired, refused, withBound, type AuthResult } from '../http/principal.js';
import { standingOf } from './token-standing.js';
import type { TokenStore } from './token-store.js';

export interface AuthenticatorOptions {
  readonly tokens: TokenStore;
  readonly clock: Clock;
  readonly oidc?: OidcVerifier;
  /** A configured token with the role admin, for the first login. */
  readonly bootstrap?: { readonly token: () => string; readonly org: OrgId };
}

const MAX_CREDENTIAL_CHARS = 8 * 1024;

type Verified = { readonly ok: true; readonly principal: VerifiedPrincipal & Standing };

/** Verifies the `Authorization` header: an operator token, or a JWT where an identity provider is configured. */
export class CredentialVerifier {
  readonly #tokens: TokenStore;
  readonly #clock: Clock;
  readonly #oidc: OidcVerifier | undefined;
  readonly #bootstrap: { readonly token: () => string; readonly principal: Verified['principal'] } | undefined;

  constructor({ tokens, clock, oidc, bootstrap }: AuthenticatorOptions) {
    this.#tokens = tokens;
    this.#clock = clock;
    this.#oidc = oidc;
    if (bootstrap !== undefined) {
      this.#bootstrap = {
        token: bootstrap.token,
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
    const verified = credential.startsWith('mst_') ? await this.#byToken(credential) : await this.#byJwt(credential);
    if (!verified.ok) return verified;
    const principal = withBound(verified.principal);
    return principal === undefined
      ? refused('bad_selector', 'the selector that bounds these credentials cannot be read')
      : { ok: true, principal };
  }

  /**
   * Who a token makes somebody now, without the token itself: whoever asks has proven it before. `bootstrapHash`: of the configured token
   * that was proven, where it was that one.
   */
  ofToken(tokenId: string, bootstrapHash: string | undefined): AuthResult {
    if (tokenId === BOOTSTRAP) {
      return this.#bootstrap !== undefined && this.bootstrapHash(BOOTSTRAP) === bootstrapHash
        ? { ok: true, principal: { ...this.#bootstrap.principal, bound: [] } }
        : refused('revoked', 'the token behind the session is not valid any more; sign in again');
    }
    const verified = this.#byRecord(this.#tokens.find(tokenId));
    const principal = verified.ok ? withBound(verified.principal) : undefined;
    if (!verified.ok) return verified;
    return principal === undefined
      ? refused('bad_selector', 'the selector that bounds these credentials cannot be read')
      : { ok: true, principal };
  }

  /** The hash of the configured token, if that is the id of it. */
  bootstrapHash(tokenId: string): string | undefined {
    if (tokenId !== BOOTSTRAP || this.#bootstrap === undefined) return undefined;
    return hashOperatorToken(this.#bootstrap.token());
  }

  #byRecord(record: OperatorTokenRecord | undefined): (AuthResult & { readonly ok: false }) | Verified {
    if (record === undefined) {
      return this.#tokens.caughtUp ? refused('unknown', 'the token behind the session is not valid') : notReady();
    }
    const result = operatorTokenPrincipal(record, this.#clock.now());
    if (result.ok) return { ok: true, principal: { ...result.principal, ...this.#standing(record) } };
    if (result.reason === 'expired') return expired('the token behind the session has expired');
    return refused(result.reason, 'the token behind the session is not valid any more; sign in again');
  }

  #standing(record: OperatorTokenRecord): Standing {
    return standingOf(record, (id) => this.#tokens.find(id));
  }

  async #byToken(token: string): Promise<(AuthResult & { readonly ok: false }) | Verified> {
    if (this.#bootstrap !== undefined && operatorTokenMatches(token, hashOperatorToken(this.#bootstrap.token()))) {
      return { ok: true, principal: this.#bootstrap.principal };
    }
    const parsed = parseOperatorToken(token);
    if (!parsed.ok) return refused(parsed.reason, 'the token is not a whole one; was it cut off?');
    const nowMs = this.#clock.now();
    const record = await this.#tokens.lookUp(parsed.tokenId);
    if (record === 'unreadable') return notReady();
    const result = verifyOperatorToken(token, record, nowMs);
    if (result.ok && record !== undefined) {
      this.#tokens.noteUse(parsed.tokenId, nowMs);
      return { ok: true, principal: { ...result.principal, ...this.#standing(record) } };
    }
    if (result.ok) return refused('unknown', 'the token is not valid');
    if (result.reason === 'expired') return expired('the token has expired; get a new one');
    return refused(result.reason, 'the token is not valid');
  }

  async #byJwt(token: string): Promise<(AuthResult & { readonly ok: false }) | Verified> {
    if (this.#oidc === undefined) return refused('malformed', 'the token is not an operator token (mst_…)');
    const result = await this.#oidc.verify(token, this.#clock.now());
    if (result.ok) {
      const person = subjectPerson(this.#oidc.issuer, result.principal.id);
      return { ok: true, principal: { ...result.principal, person, origin: person } };
    }
    if (result.reason === 'expired') return expired('the token has expired; get a new one');
    if (result.reason === 'keys_unavailable') {
      const error = new AppError('timeout', "the identity provider's keys cannot be read now; try again");
      return { ok: false, reason: 'oidc_keys_unavailable', error };
    }
    return refused(`oidc_${result.reason}`, `the JWT is refused: ${result.reason.replaceAll('_', ' ')}`);
  }
}

function notReady(): AuthResult & { readonly ok: false } {
  const error = new AppError('broker_unavailable', 'tokens are not read yet; try again in a moment', {
    details: { retryAfterMs: 1_000 },
  });
  return { ok: false, reason: 'not_ready', error };
}
