import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import { AppError, type OrgId } from '@muster/protocol';
import { writeFailure } from '@muster/service-base';
import { decodeRecord, encodeRecord, STREAM_SUBJECTS, STREAMS, type OperatorTokenRecord } from '@muster/records';
import type { Logger } from '@muster/runtime';

interface Kept {
  readonly seq: number;
  readonly record: OperatorTokenRecord;
}

const USE_INTERVAL_MS = 60_000;

/**
 * Operator tokens in memory. The view follows their stream, so that a request costs no look-up and every API process learns of a revocation
 * within moments.
 */
export class TokenStore {
  readonly #streams: StreamStore;
  readonly #logger: Logger;
  readonly #tokens = new Map<string, Kept>();
  /** When this process last wrote a use, by token. The view lags behind writes. */
  readonly #useWritten = new Map<string, number>();
  readonly #revokedListeners: ((tokenId: string) => void)[] = [];
  #view: FollowedView | undefined;
  #caughtUp = false;

  constructor({ streams, logger }: { readonly streams: StreamStore; readonly logger: Logger }) {
    this.#streams = streams;
    this.#logger = logger;
  }

  /** While false, an unknown token may only be unread. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  async start(): Promise<void> {
    this.#view = await followView(this.#streams, {
      stream: STREAMS.operatorTokens.name,
      logger: this.#logger,
      apply: (entry) => this.#apply(entry),
      reset: () => this.#tokens.clear(),
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

  find(tokenId: string): OperatorTokenRecord | undefined {
    return this.#tokens.get(tokenId)?.record;
  }

  /** As `find`; what is not known here may have been made by another process a moment ago, which the broker is asked. */
  async lookUp(tokenId: string): Promise<OperatorTokenRecord | 'unreadable' | undefined> {
    const known = this.find(tokenId);
    if (known !== undefined) return known;
    if (!this.#caughtUp) return 'unreadable';
    try {
      await this.current();
    } catch (err) {
      this.#logger.warn('tokens cannot be read now', { err });
      return 'unreadable';
    }
    return this.find(tokenId);
  }

  /** Called for each token that any API process revokes from now on. */
  onRevoked(listener: (tokenId: string) => void): void {
    this.#revokedListeners.push(listener);
  }

  /** Tokens of an org sorted by id, including revoked and expired ones. */
  list(org: OrgId): OperatorTokenRecord[] {
    return [...this.#tokens.values()]
      .map(({ record }) => record)
      .filter((record) => record.org === org)
      .sort((a, b) => (a.tokenId < b.tokenId ? -1 : 1));
  }

  /** Writes a new token. Throws `broker_unavailable`. */
  async create(record: OperatorTokenRecord): Promise<void> {
    const seq = await this.#write(record, 0);
    if (seq === undefined) throw new AppError('conflict', 'a token with this id exists already; try again');
  }

  /** Revokes a token now; a second revocation changes nothing. Throws `not_found`, `broker_unavailable`. */
  async revoke(org: OrgId, tokenId: string, nowMs: number): Promise<OperatorTokenRecord> {
    // A use that is written at the same moment makes the write conflict. It is then repeated on top of that record.
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const kept = await this.#newest(org, tokenId);
      if (kept === undefined) throw new AppError('not_found', `there is no token ${tokenId}`);
      if (kept.record.revokedAtMs !== undefined) return kept.record;
      const revoked = { ...kept.record, revokedAtMs: nowMs };
      if ((await this.#write(revoked, kept.seq)) !== undefined) return revoked;
    }
    throw new AppError('broker_unavailable', `token ${tokenId} changes too often to be revoked; try again`);
  }

  /** Writes that a token was used, at most once a minute, in the background. Never throws; a lost write is harmless. */
  noteUse(tokenId: string, nowMs: number): void {
    const kept = this.#tokens.get(tokenId);
    if (kept === undefined) return;
    const draft = Math.max(kept.record.lastUsedAtMs ?? 0, this.#useWritten.get(tokenId) ?? 0);
    if (nowMs - draft < USE_INTERVAL_MS) return;
    this.#useWritten.set(tokenId, nowMs);
    // The expected sequence prevents this write from undoing a revocation.
    this.#write({ ...kept.record, lastUsedAtMs: nowMs }, kept.seq).catch((err: unknown) =>
      this.#logger.debug('noting a token use failed', { err }),
    );
  }

  async #newest(org: OrgId, tokenId: string): Promise<Kept | undefined> {
    try {
      const entry = await this.#streams.last(STREAMS.operatorTokens.name, STREAM_SUBJECTS.operatorToken(org, tokenId));
      return entry === undefined ? undefined : { seq: entry.seq, record: decodeRecord(entry.data) };
    } catch (cause) {
      throw new AppError('broker_unavailable', 'tokens cannot be read now', { cause });
    }
  }

  /** The sequence, or `undefined` when another process wrote in between. The view has the record at once. */
  async #write(record: OperatorTokenRecord, expectLastSubjectSeq: number): Promise<number | undefined> {
    const subject = STREAM_SUBJECTS.operatorToken(record.org, record.tokenId);
    const result = await this.#streams.append(subject, encodeRecord(record), {
      expectLastSubjectSeq,
      ...(record.revokedAtMs === undefined ? {} : { essential: true }),
    });
    switch (result.kind) {
      case 'appended':
        this.#keep({ seq: result.seq, record });
        return result.seq;
      case 'conflict':
        return undefined;
      case 'unavailable':
        throw writeFailure('the token could not be kept', result.cause);
    }
  }

  #apply(entry: Entry): void {
    try {
      this.#keep({ seq: entry.seq, record: decodeRecord(entry.data) });
    } catch (err) {
      this.#logger.error('unreadable operator token skipped', { seq: entry.seq, err });
    }
  }

  #keep(kept: Kept): void {
    const known = this.#tokens.get(kept.record.tokenId);
    if (known !== undefined && known.seq >= kept.seq) return;
    this.#tokens.set(kept.record.tokenId, kept);
    if (kept.record.revokedAtMs === undefined || known?.record.revokedAtMs !== undefined) return;
    for (const listener of this.#revokedListeners) listener(kept.record.tokenId);
  }
}
