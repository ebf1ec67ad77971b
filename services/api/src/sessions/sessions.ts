import { AppError, type OrgId } from '@muster/protocol';
import type { SessionRecord, SignInWay } from '@muster/records';
import { TokenBucket, type Clock } from '@muster/runtime';
import type { CredentialVerifier } from '../auth/credential-verifier.js';
import { given } from '../http/json-members.js';
import { expired, refused, withBound, type AuthResult, type Principal } from '../http/principal.js';
import {
  hashSecret,
  LINK_PREFIX,
  mintSecret,
  newSecret,
  parseSecret,
  secretMatches,
  secretText,
} from './session-secret.js';
import type { KeptSession, SessionStore } from './session-store.js';

export interface SessionsOptions {
  readonly store: SessionStore;
  readonly verifier: Pick<CredentialVerifier, 'ofToken' | 'bootstrapHash'>;
  readonly clock: Clock;
  /** A session that is not used for so long ends. */
  readonly idleMs: number;
  /** It ends after so long whatever happens. */
  readonly maxMs: number;
}

/** Where somebody signs in from. */
export interface SignInFrom {
  readonly from: string;
  readonly userAgent: string;
}

/** A session that has just begun. */
export interface OpenedSession {
  readonly record: SessionRecord;
  readonly principal: Principal;
  /** What the browser holds. */
  readonly cookie: string;
}

/** Of one token, or of one person of the provider; with one more, the one that was used least recently ends. */
const MAX_OF_OWNER = 100;
/** Sessions that this process does not know are looked up at the broker so often a second, whoever asks. */
const LOOKUPS_PER_SECOND = 50;

/** Signing in to the console, and what a session's cookie is worth. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #lookups: TokenBucket;

  constructor(options: SessionsOptions) {
    this.#options = options;
    const { clock } = options;
    this.#lookups = new TokenBucket({ capacity: 2 * LOOKUPS_PER_SECOND, refillPerSecond: LOOKUPS_PER_SECOND, clock });
  }

  /** Begins a session of somebody whose credentials have been verified. Throws `broker_unavailable`. */
  async open(principal: Principal, via: SignInWay, from: SignInFrom): Promise<OpenedSession> {
    const minted = mintSecret(principal.org);
    const nowMs = this.#options.clock.now();
    const record = this.#record(principal, { id: minted.id, secret: minted.secret, via, from, nowMs });
    await this.#options.store.create(record);
    await this.#endLeastUsed(record);
    return { record, principal: { ...principal, sessionId: record.id }, cookie: secretText(minted) };
  }

  /** The code of a link that begins a session of this principal once. Throws `broker_unavailable`. */
  async makeLink(
    principal: Principal,
    forMs: number,
    from: SignInFrom,
  ): Promise<{ code: string; expiresAtMs: number }> {
    const minted = mintSecret(principal.org);
    const nowMs = this.#options.clock.now();
    const made = this.#record(principal, { id: minted.id, secret: minted.secret, via: 'link', from, nowMs });
    const expiresAtMs = Math.min(nowMs + forMs, made.endsAtMs);
    // A session that makes a link passes its own end on: links do not prolong it.
    const parent = principal.sessionId === undefined ? undefined : this.#options.store.find(principal.sessionId);
    await this.#options.store.create({
      ...{ ...made, isLink: true, endsAtMs: expiresAtMs },
      ...given('sessionEndsAtMs', parent?.record.endsAtMs),
    });
    return { code: `${LINK_PREFIX}${secretText(minted)}`, expiresAtMs };
  }

  /** Begins the session of a link. `undefined` when it is unknown, used, or over. Throws `broker_unavailable`. */
  async redeem(code: string, from: SignInFrom): Promise<OpenedSession | undefined> {
    const shown = code.startsWith(LINK_PREFIX) ? parseSecret(code.slice(LINK_PREFIX.length)) : undefined;
    if (shown === undefined) return undefined;
    const link = await this.#lookUp(shown.org, shown.id);
    if (link?.record.isLink !== true || !secretMatches(shown.secret, link.record.hash)) return undefined;
    const nowMs = this.#options.clock.now();
    if (link.record.endsAtMs <= nowMs || link.record.revokedAtMs !== undefined) return undefined;
    const known = this.#principalOf(link.record);
    if (!known.ok) return undefined;
    const secret = newSecret();
    const record = this.#record(known.principal, { id: shown.id, secret, via: 'link', from, nowMs });
    const endsAtMs = Math.min(record.endsAtMs, link.record.sessionEndsAtMs ?? Infinity);
    const opened = { ...record, endsAtMs };
    if (!(await this.#options.store.replace(link, opened))) return undefined;
    await this.#endLeastUsed(opened);
    const principal = { ...known.principal, sessionId: opened.id };
    return { record: opened, principal, cookie: secretText({ ...shown, secret }) };
  }

  /** Whose session a cookie is, with their rights as they are now. Notes its use. */
  async authenticate(cookie: string): Promise<AuthResult> {
    const shown = parseSecret(cookie);
    if (shown === undefined) return refused('session_malformed', 'the session is not valid; sign in again');
    const { store } = this.#options;
    let kept = store.find(shown.id);
    try {
      // Another process may have made it a moment ago.
      kept ??= await this.#lookUp(shown.org, shown.id);
    } catch (error) {
      if (AppError.is(error)) return { ok: false, reason: 'not_ready', error };
      throw error;
    }
    const record = kept?.record;
    if (record?.org !== shown.org || record.isLink === true || !secretMatches(shown.secret, record.hash)) {
      return refused('session_unknown', 'the session is not valid; sign in again');
    }
    const known = this.check(record);
    if (known.ok) store.noteUse(record.id);
    return known;
  }

  /** Whether a session counts now, and for whom. */
  check(record: SessionRecord): AuthResult {
    if (record.revokedAtMs !== undefined) return refused('session_revoked', 'the session was ended; sign in again');
    const expiresAtMs = this.expiresAtMs(record);
    if (expiresAtMs <= this.#options.clock.now()) return expired('the session is over; sign in again');
    const known = this.#principalOf(record);
    if (!known.ok) return known;
    const endMs = Math.min(record.endsAtMs, known.principal.expiresAtMs ?? Infinity);
    return { ok: true, principal: { ...known.principal, sessionId: record.id, expiresAtMs: endMs } };
  }

  /** When it ends if it is not used any more. */
  expiresAtMs(record: SessionRecord): number {
    return Math.min(record.endsAtMs, this.#options.store.usedAtMs(record) + this.#options.idleMs);
  }

  /** Why the streams of a session end now. */
  endOf(sessionId: string): 'revoked' | 'expired' | undefined {
    const record = this.#options.store.find(sessionId)?.record;
    if (record === undefined) return undefined;
    if (record.revokedAtMs !== undefined) return 'revoked';
    return this.expiresAtMs(record) <= this.#options.clock.now() ? 'expired' : undefined;
  }

  async #lookUp(org: OrgId, id: string): Promise<KeptSession | undefined> {
    const taken = this.#lookups.take();
    if (taken.ok) return await this.#options.store.read(org, id);
    throw new AppError('broker_unavailable', 'too many unknown sessions are asked for; try again in a moment', {
      details: { retryAfterMs: 1_000 },
    });
  }

  #principalOf(record: SessionRecord): AuthResult {
    const { org, principal: kept, bootstrapHash } = record;
    if (kept.kind === 'token') return this.#options.verifier.ofToken(kept.id, bootstrapHash);
    const principal = withBound({ ...kept, org });
    return principal === undefined
      ? refused('bad_selector', 'the selector that bounds this session cannot be read')
      : { ok: true, principal };
  }

  #record(
    { org, kind, id: by, name, role, selector, person, origin, expiresAtMs }: Principal,
    made: { id: string; secret: string; via: SignInWay; from: SignInFrom; nowMs: number },
  ): SessionRecord {
    const { id, secret, via, nowMs, from } = made;
    const { maxMs, verifier } = this.#options;
    // A JWT of the provider is short-lived by itself; a session that it opens is not.
    const tokenEndMs = kind === 'token' ? (expiresAtMs ?? Infinity) : Infinity;
    return {
      ...{ id, org, via, hash: hashSecret(secret) },
      principal: { kind, id: by, name, role, ...given('selector', selector), person, origin },
      ...(kind === 'token' ? given('bootstrapHash', verifier.bootstrapHash(by)) : {}),
      ...{ createdAtMs: nowMs, usedAtMs: nowMs, endsAtMs: Math.min(nowMs + maxMs, tokenEndMs) },
      ...from,
    };
  }

  async #endLeastUsed({ org, principal }: SessionRecord): Promise<void> {
    const { store } = this.#options;
    const open = store.ofOwner({ org, ...principal });
    if (open.length <= MAX_OF_OWNER) return;
    const oldest = open.toSorted((a, b) => store.usedAtMs(a.record) - store.usedAtMs(b.record))[0];
    if (oldest !== undefined) await store.revoke(org, oldest.record.id);
  }
}
