import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import { AppError, type OrgId } from '@muster/protocol';
import { decodeRecord, encodeRecord, STREAM_SUBJECTS, STREAMS, type SessionRecord } from '@muster/records';
import type { Clock, Logger } from '@muster/runtime';
import { writeFailure } from '@muster/service-base';
import type { Principal } from '../http/principal.js';

export interface KeptSession {
  readonly seq: number;
  readonly record: SessionRecord;
}

export interface SessionStoreOptions {
  readonly streams: StreamStore;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A use is written so often at most: other processes know it to the minute. */
const USE_INTERVAL_MS = 60_000;
const ATTEMPTS = 5;

/**
 * Sessions of the console in memory, as their stream has them: every API process knows all, and nothing is lost when one starts again. A
 * session that another process has just made may not be here yet: {@link read} asks the broker.
 */
export class SessionStore {
  readonly #options: SessionStoreOptions;
  readonly #sessions = new Map<string, KeptSession>();
  /** When a session was last used here; the record lags behind. */
  readonly #used = new Map<string, number>();
  readonly #useWritten = new Map<string, number>();
  #forgotMs = 0;
  readonly #revokedListeners: ((id: string) => void)[] = [];
  #view: FollowedView | undefined;
  #caughtUp = false;

  constructor(options: SessionStoreOptions) {
    this.#options = options;
  }

  /** While false, an unknown session may only be unread. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  async start(): Promise<void> {
    this.#view = await followView(this.#options.streams, {
      stream: STREAMS.sessions.name,
      logger: this.#options.logger,
      apply: (entry) => this.#apply(entry),
      reset: () => this.#sessions.clear(),
    });
    this.#caughtUp = true;
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  /** Resolves when it has everything that is kept now. @throws StreamError */
  async current(): Promise<void> {
    await this.#view?.current();
  }

  find(id: string): KeptSession | undefined {
    return this.#sessions.get(id);
  }

  /** When somebody last used it, as far as this process knows. */
  usedAtMs({ id, usedAtMs }: SessionRecord): number {
    return Math.max(usedAtMs, this.#used.get(id) ?? 0);
  }

  /** Those of one token, or of one person of the provider, that are neither revoked nor past their end. */
  ofOwner({ org, kind, id }: SessionOwner): KeptSession[] {
    const nowMs = this.#options.clock.now();
    return [...this.#sessions.values()].filter(
      ({ record }) => isOwner({ org, kind, id }, record) && isOpen(record, nowMs),
    );
  }

  /** Called for each session that any API process revokes from now on. */
  onRevoked(listener: (id: string) => void): void {
    this.#revokedListeners.push(listener);
  }

  /** The newest record, from the broker. Throws `broker_unavailable`. */
  async read(org: OrgId, id: string): Promise<KeptSession | undefined> {
    try {
      const entry = await this.#options.streams.last(STREAMS.sessions.name, STREAM_SUBJECTS.session(org, id));
      return entry === undefined ? undefined : { seq: entry.seq, record: decodeRecord(entry.data) };
    } catch (cause) {
      throw new AppError('broker_unavailable', 'sessions cannot be read now; try again in a moment', { cause });
    }
  }

  async create(record: SessionRecord): Promise<void> {
    if (!(await this.#write(record, 0))) {
      throw new AppError('conflict', 'a session with this id exists already; try again');
    }
  }

  /** Puts a record in the place of one that nobody has changed; false when somebody has. Of two who try, one succeeds. */
  replace({ seq }: KeptSession, record: SessionRecord): Promise<boolean> {
    return this.#write(record, seq);
  }

  /** Throws `not_found`, `broker_unavailable`. A second time changes nothing. */
  async revoke(org: OrgId, id: string): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const kept = await this.read(org, id);
      if (kept === undefined) throw new AppError('not_found', `there is no session ${id}`);
      if (kept.record.revokedAtMs !== undefined) return;
      if (await this.#write({ ...kept.record, revokedAtMs: this.#options.clock.now() }, kept.seq)) return;
    }
    throw new AppError('broker_unavailable', `session ${id} changes too often to be ended; try again`);
  }

  /** Notes a use, and writes it once a minute in the background. Never throws; a lost write costs a minute of its idle time. */
  noteUse(id: string): void {
    const kept = this.#sessions.get(id);
    if (kept === undefined) return;
    const nowMs = this.#options.clock.now();
    this.#used.set(id, nowMs);
    const writtenMs = Math.max(kept.record.usedAtMs, this.#useWritten.get(id) ?? 0);
    if (nowMs - writtenMs < USE_INTERVAL_MS) return;
    this.#useWritten.set(id, nowMs);
    // The expected sequence prevents this write from undoing a revocation.
    this.#write({ ...kept.record, usedAtMs: nowMs }, kept.seq).catch((err: unknown) =>
      this.#options.logger.debug('noting the use of a session failed', { err }),
    );
  }

  async #write(record: SessionRecord, expectLastSubjectSeq: number): Promise<boolean> {
    const subject = STREAM_SUBJECTS.session(record.org, record.id);
    const essential = record.revokedAtMs === undefined ? {} : ({ essential: true } as const);
    const { streams } = this.#options;
    const result = await streams.append(subject, encodeRecord(record), { expectLastSubjectSeq, ...essential });
    if (result.kind === 'unavailable') throw writeFailure('the session could not be kept', result.cause);
    if (result.kind === 'appended') this.#keep({ seq: result.seq, record });
    return result.kind === 'appended';
  }

  #apply(entry: Entry): void {
    try {
      this.#keep({ seq: entry.seq, record: decodeRecord(entry.data) });
    } catch (err) {
      this.#options.logger.error('unreadable session skipped', { seq: entry.seq, err });
    }
  }

  #keep(kept: KeptSession): void {
    const { id } = kept.record;
    const known = this.#sessions.get(id);
    if (known !== undefined && known.seq >= kept.seq) return;
    this.#sessions.set(id, kept);
    this.#forgetEnded();
    if (kept.record.revokedAtMs === undefined || known?.record.revokedAtMs !== undefined) return;
    for (const listener of this.#revokedListeners) listener(id);
  }

  /** The stream keeps them for a month; nobody asks for those whose end is over. */
  #forgetEnded(): void {
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#forgotMs < USE_INTERVAL_MS) return;
    this.#forgotMs = nowMs;
    for (const [id, { record }] of this.#sessions) {
      if (record.endsAtMs > nowMs - USE_INTERVAL_MS) continue;
      for (const map of [this.#sessions, this.#used, this.#useWritten]) map.delete(id);
    }
  }
}

/** Whose sessions they are. Not the person who stands behind a token: one person may have made the tokens of many. */
export type SessionOwner = Pick<Principal, 'org' | 'kind' | 'id'>;

export function isOwner({ org, kind, id }: SessionOwner, { org: its, principal }: SessionRecord): boolean {
  return its === org && principal.kind === kind && principal.id === id;
}

function isOpen({ revokedAtMs, endsAtMs, isLink }: SessionRecord, nowMs: number): boolean {
  return revokedAtMs === undefined && endsAtMs > nowMs && isLink !== true;
}
