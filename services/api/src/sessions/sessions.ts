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
  type SessionSecret,
} from './session-secret.js';
import { isOwner, type KeptSession, type SessionStore } from './session-store.js';

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

/** A session that has just begun, or goes on under a new secret. */
export interface OpenedSession {
  readonly record: SessionRecord;
  readonly principal: Principal;
  /** What the browser holds. */
  readonly cookie: string;
  /** The session is over after so long, whatever happens. */
  readonly lastsMs: number;
}

/** Of one token, or of one person of the provider; with one more, the one that was used least recently ends. */
const MAX_OF_OWNER = 100;
/** How often a record is read that others change at the same time. */
const ATTEMPTS = 5;
/** Sessions that this process does not know are looked up at the broker so often a second, whoever asks. */
const LOOKUPS_PER_SECOND = 50;
/** So long the secret before counts after its owner signed in again: pages have calls under way. */
const GRACE_MS = 10_000;

/** Signing in to the console, and what a session's cookie is worth. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #lookups: TokenBucket;

  constructor(options: SessionsOptions) {
    this.#options = options;
    const { clock } = options;
    this.#lookups = new TokenBucket({ capacity: 2 * LOOKUPS_PER_SECOND, refillPerSecond: LOOKUPS_PER_SECOND, clock });
  }

  /**
   * Begins a session of somebody whose credentials have been verified. `authenticatedAtMs`: when they were asked who
   * they are, where that was not now. Throws `broker_unavailable`.
   */
  async open(
    principal: Principal,
    via: SignInWay,
    from: SignInFrom,
    authenticatedAtMs?: number,
  ): Promise<OpenedSession> {
    const minted = mintSecret(principal.org);
    const nowMs = this.#options.clock.now();
    const made = {
      id: minted.id,
      secret: minted.secret,
      via,
      from,
      nowMs,
      authenticatedAtMs: authenticatedAtMs ?? nowMs,
    };
    const record = this.#record(principal, made);
    await this.#options.store.create(record);
    await this.#endLeastUsed(record);
    const lastsMs = record.endsAtMs - nowMs;
    return { record, principal: { ...principal, sessionId: record.id }, cookie: secretText(minted), lastsMs };
  }

  /**
   * Its owner has proved again who they are: it goes on under a new secret until its end, which stays. Streams that the
   * secret before opened end with it, and at once what links opened that were made under it. `undefined` when it is
   * over, or that was somebody else. Throws `broker_unavailable`.
   */
  async reauthenticate(
    id: string,
    principal: Principal,
    { from, authenticatedAtMs }: { readonly from: SignInFrom; readonly authenticatedAtMs: number },
  ): Promise<OpenedSession | undefined> {
    const { store, clock } = this.#options;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const kept = await store.read(principal.org, id);
      if (kept === undefined || !isOwner(principal, kept.record) || kept.record.isLink === true) return undefined;
      if (!this.check(kept.record).ok) return undefined;
      const nowMs = clock.now();
      const secret = newSecret();
      const { via, createdAtMs, hash } = kept.record;
      const made = this.#record(principal, { id, secret, via, from, nowMs, authenticatedAtMs });
      const before = { hash, authenticatedAtMs: authenticatedAt(kept.record), untilMs: nowMs + GRACE_MS };
      const endsAtMs = Math.min(kept.record.endsAtMs, made.endsAtMs);
      const generation = (kept.record.generation ?? 0) + 1;
      const record = { ...made, createdAtMs, before, generation, endsAtMs, ...given('parent', kept.record.parent) };
      if (!(await store.replace(kept, record))) continue;
      const cookie = secretText({ org: record.org, id, secret });
      const lastsMs = endsAtMs - nowMs;
      return { record, principal: { ...principal, sessionId: id, authenticatedAtMs }, cookie, lastsMs };
    }
    throw new AppError('broker_unavailable', `session ${id} changes too often; try again`);
  }

  /**
   * The code of a link that begins a session of this principal once. Throws `broker_unavailable`, and `conflict` where
   * the session has a new secret meanwhile.
   */
  async makeLink(
    principal: Principal,
    forMs: number,
    from: SignInFrom,
  ): Promise<{ code: string; expiresAtMs: number }> {
    const minted = mintSecret(principal.org);
    const nowMs = this.#options.clock.now();
    // Of a session the link passes on how long ago its owner proved who they are: who has its cookie alone gets no further by it.
    const authenticatedAtMs = principal.authenticatedAtMs ?? nowMs;
    const { id, secret } = minted;
    const made = this.#record(principal, { id, secret, via: 'link', from, nowMs, authenticatedAtMs });
    const expiresAtMs = Math.min(nowMs + forMs, made.endsAtMs);
    await this.#options.store.create({
      ...{ ...made, isLink: true, endsAtMs: expiresAtMs },
      ...(await this.#parentOf(principal)),
    });
    return { code: `${LINK_PREFIX}${secretText(minted)}`, expiresAtMs };
  }

  /** A session that makes a link passes its own end on, and its secret's: links prolong neither. */
  async #parentOf({
    org,
    sessionId,
    sessionGeneration,
  }: Principal): Promise<Pick<SessionRecord, 'parent' | 'sessionEndsAtMs'>> {
    if (sessionId === undefined) return {};
    const record = (await this.#options.store.read(org, sessionId))?.record;
    const generation = record?.generation ?? 0;
    if (record === undefined || sessionGeneration !== generation) {
      throw new AppError('conflict', 'the session has just got a new cookie: try again');
    }
    return { parent: { id: sessionId, generation }, sessionEndsAtMs: record.endsAtMs };
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
    if (!known.ok || this.#hasLostParent(link.record)) return undefined;
    const secret = newSecret();
    const authenticatedAtMs = authenticatedAt(link.record);
    const record = this.#record(known.principal, { id: shown.id, secret, via: 'link', from, nowMs, authenticatedAtMs });
    const endsAtMs = Math.min(record.endsAtMs, link.record.sessionEndsAtMs ?? Infinity);
    const opened = { ...record, endsAtMs, ...given('parent', link.record.parent) };
    if (!(await this.#options.store.replace(link, opened))) return undefined;
    await this.#endLeastUsed(opened);
    const principal = { ...known.principal, sessionId: opened.id };
    return { record: opened, principal, cookie: secretText({ ...shown, secret }), lastsMs: endsAtMs - nowMs };
  }

  /** Whose session a cookie is, with their rights as they are now. Notes its use. */
  async authenticate(cookie: string): Promise<AuthResult> {
    const shown = parseSecret(cookie);
    if (shown === undefined) return refused('session_malformed', 'the session is not valid; sign in again');
    const { store } = this.#options;
    let record = this.#opened(shown, store.find(shown.id));
    try {
      // Another process may have made it, or given it a new secret, a moment ago.
      record ??= this.#opened(shown, await this.#lookUp(shown.org, shown.id));
    } catch (error) {
      if (AppError.is(error)) return { ok: false, reason: 'not_ready', error };
      throw error;
    }
    if (record === undefined) return refused('session_unknown', 'the session is not valid; sign in again');
    const known = this.check(record);
    if (known.ok) store.noteUse(record.id);
    return known;
  }

  /** The record that a secret opens; for the secret before, as it was then. */
  #opened({ org, secret }: SessionSecret, kept: KeptSession | undefined): SessionRecord | undefined {
    if (kept?.record.org !== org || kept.record.isLink === true) return undefined;
    const { hash, before } = kept.record;
    if (secretMatches(secret, hash)) return kept.record;
    if (before === undefined || !this.#isUnderWay(before) || !secretMatches(secret, before.hash)) return undefined;
    const generation = (kept.record.generation ?? 1) - 1;
    return { ...kept.record, generation, authenticatedAtMs: before.authenticatedAtMs };
  }

  #isUnderWay({ untilMs }: NonNullable<SessionRecord['before']>): boolean {
    return untilMs > this.#options.clock.now();
  }

  /**
   * Whether the session that made its link has ended by order, or goes on under another secret; or the one that made
   * that one's. One that is not known any more is past its end, and so is what came of it.
   */
  #hasLostParent(record: SessionRecord): boolean {
    for (let { parent } = record; parent !== undefined;) {
      const above = this.#options.store.find(parent.id)?.record;
      if (above === undefined) return false;
      if (above.revokedAtMs !== undefined || (above.generation ?? 0) > parent.generation) return true;
      ({ parent } = above);
    }
    return false;
  }

  /** Whether a session counts now, and for whom. */
  check(record: SessionRecord): AuthResult {
    if (record.revokedAtMs !== undefined || this.#hasLostParent(record)) {
      return refused('session_revoked', 'the session was ended; sign in again');
    }
    const expiresAtMs = this.expiresAtMs(record);
    if (expiresAtMs <= this.#options.clock.now()) return expired('the session is over; sign in again');
    const known = this.#principalOf(record);
    if (!known.ok) return known;
    const endMs = Math.min(record.endsAtMs, known.principal.expiresAtMs ?? Infinity);
    const ofSession = { sessionId: record.id, sessionGeneration: record.generation ?? 0, expiresAtMs: endMs };
    return { ok: true, principal: { ...known.principal, ...ofSession, authenticatedAtMs: authenticatedAt(record) } };
  }

  /** When it ends if it is not used any more. */
  expiresAtMs(record: SessionRecord): number {
    return Math.min(record.endsAtMs, this.#options.store.usedAtMs(record) + this.#options.idleMs);
  }

  /** Why the streams that a session opened under one of its secrets end now. */
  endOf({
    sessionId,
    sessionGeneration = 0,
  }: Pick<Principal, 'sessionId' | 'sessionGeneration'>): 'revoked' | 'expired' | undefined {
    const record = sessionId === undefined ? undefined : this.#options.store.find(sessionId)?.record;
    if (record === undefined) return undefined;
    if (record.revokedAtMs !== undefined || this.#hasLostParent(record)) return 'revoked';
    const { generation = 0, before } = record;
    const isUnderWay = sessionGeneration === generation - 1 && before !== undefined && this.#isUnderWay(before);
    if (sessionGeneration < generation && !isUnderWay) return 'expired';
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
    made: Pick<SessionRecord, 'id' | 'via'> & {
      readonly secret: string;
      readonly from: SignInFrom;
      readonly nowMs: number;
      readonly authenticatedAtMs: number;
    },
  ): SessionRecord {
    const { id, secret, via, nowMs, from, authenticatedAtMs } = made;
    const { maxMs, verifier } = this.#options;
    // A JWT of the provider is short-lived by itself; a session that it opens is not.
    const tokenEndMs = kind === 'token' ? (expiresAtMs ?? Infinity) : Infinity;
    return {
      ...{ id, org, via, hash: hashSecret(secret) },
      principal: { kind, id: by, name, role, ...given('selector', selector), person, origin },
      ...(kind === 'token' ? given('bootstrapHash', verifier.bootstrapHash(by)) : {}),
      ...{ createdAtMs: nowMs, usedAtMs: nowMs, authenticatedAtMs, endsAtMs: Math.min(nowMs + maxMs, tokenEndMs) },
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

/** When its owner last proved who they are. */
export function authenticatedAt({ authenticatedAtMs, createdAtMs }: SessionRecord): number {
  return authenticatedAtMs ?? createdAtMs;
}
