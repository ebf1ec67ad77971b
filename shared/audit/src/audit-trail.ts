import type { StreamStore } from '@muster/bus';
import type { OrgId } from '@muster/protocol';
import { encodeRecord, type AuditRecord } from '@muster/records';
import { TokenBucket, type Clock, type Logger } from '@muster/runtime';
import { ChainWriter, type Settled } from './chain-writer.js';
import type { JournalMark } from './journal-mark.js';
import type { EntryRecord } from './journal-records.js';

/** An audit record without what the trail adds: time and hash of the previous record. */
export type NewAuditRecord = Omit<AuditRecord, 'atMs' | 'prev'>;

interface Counter {
  inc(): void;
}

interface RateLimit {
  readonly capacity: number;
  readonly refillPerSecond: number;
}

export interface AuditTrailOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: {
    /** Records that could not be stored; each is in the log. */
    readonly auditLost: Counter;
    /** Refusals over the rate limit, which were counted and not stored. */
    readonly auditSuppressed: Counter;
  };
  /** Limit of {@link AuditTrail.recordRateLimited}; default 100 at once, 5 a second. */
  readonly rateLimit?: RateLimit;
  /** What one actor may take of it, so that nobody can crowd out the refusals of others; default everything. */
  readonly actorLimit?: RateLimit;
  /** How many records of all orgs may wait to be stored; default 10,000. */
  readonly maxPending?: number;
  /** How long the append of a record is retried; default 60 s. */
  readonly retryForMs?: number;
}

const MAX_RECORD_BYTES = 256 * 1024;
/** Actors whose share is remembered; with more of them, all begin anew. */
const MAX_ACTORS = 10_000;

/**
 * Writes the audit chains of all orgs that this process acts for. Any number of processes may write to one chain: every append is a
 * compare-and-set on the newest record, and the loser reads that one and tries again. Callers do not wait. A record that cannot be
 * stored is logged whole and counted. Records of one org and process stay in order; records of several processes are in the order in
 * which they won.
 */
export class AuditTrail {
  readonly #options: AuditTrailOptions;
  readonly #maxPending: number;
  readonly #chains = new Map<OrgId, ChainWriter>();
  readonly #rateLimit: TokenBucket;
  readonly #byActor = new Map<string, TokenBucket>();
  readonly #stopping = new AbortController();
  #pending = 0;
  #suppressed = 0;

  constructor(options: AuditTrailOptions) {
    this.#options = options;
    this.#maxPending = options.maxPending ?? 10_000;
    const limit = options.rateLimit ?? { capacity: 100, refillPerSecond: 5 };
    this.#rateLimit = new TokenBucket({ ...limit, clock: options.clock });
  }

  /**
   * What was done is `essential`: its record is kept also where there is room for nothing new. Refusals and failures
   * are not: there is no bound to them, and they would use the reserve up.
   */
  record(
    record: NewAuditRecord,
    { essential = record.outcome === 'allowed' }: { readonly essential?: boolean } = {},
  ): void {
    this.#add(record, (stored, failed) => failed !== undefined && this.#lost(stored, failed), essential);
  }

  /**
   * For what cannot be undone: the record comes first. Resolves with why it could not be stored; then nothing may be
   * done, and no record is lost.
   */
  recordFirst(record: NewAuditRecord): Promise<Error | undefined> {
    return new Promise((resolve) => this.#add(record, (_stored, failed) => resolve(failed), true));
  }

  #add(record: NewAuditRecord, settled: Settled, essential: boolean): void {
    const complete = normalised({ ...record, atMs: this.#options.clock.now() });
    if (this.#stopping.signal.aborted) settled(complete, new Error('the trail was stopped'));
    else if (this.#pending >= this.#maxPending) settled(complete, new Error('too many audit records are pending'));
    else if (encodeRecord(complete).length > MAX_RECORD_BYTES) settled(complete, new Error('too large to store'));
    else {
      this.#pending += 1;
      const done: Settled = (stored, failed) => {
        this.#pending -= 1;
        settled(stored, failed);
      };
      this.#chain(record.org).add(complete, done, { essential });
    }
  }

  /**
   * Appends the record of a journal entry, once, whoever tries; call it in the order of the journal. Resolves with why
   * it could not be stored: it is not lost then, because it can be made again from the journal.
   */
  recordEntry(record: EntryRecord): Promise<Error | undefined> {
    const complete = bounded(normalised(record));
    if (this.#stopping.signal.aborted) return Promise.resolve(new Error('the trail was stopped'));
    return new Promise((resolve) =>
      this.#chain(record.org).add(complete, (_record, failed) => resolve(failed), { essential: true }),
    );
  }

  /** Up to which journal entry the org's chain has records. */
  mark(org: OrgId): JournalMark {
    return this.#chain(org).mark;
  }

  /**
   * For refusals that anybody can cause: those over the rate limit are counted, and the next stored record has the count in its
   * details.
   */
  recordRateLimited(record: NewAuditRecord): void {
    if (!this.#takeShare(record.actor) || !this.#rateLimit.take().ok) {
      this.#suppressed += 1;
      this.#options.metrics.auditSuppressed.inc();
      return;
    }
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    this.record(suppressed === 0 ? record : { ...record, details: { ...record.details, suppressed } });
  }

  /** Resolves when all earlier records are stored or given up. */
  async flush(): Promise<void> {
    await Promise.all(Array.from(this.#chains.values(), (chain) => chain.idle()));
  }

  /** Waits for pending records until the signal is aborted, at most 5 s; logs the rest. Idempotent. */
  async stop(signal?: AbortSignal): Promise<void> {
    const timer = this.#options.clock.setTimeout(() => this.#stopping.abort(), STOP_MS);
    const abort = (): void => this.#stopping.abort();
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    await this.flush();
    this.#options.clock.clear(timer);
    signal?.removeEventListener('abort', abort);
    abort();
  }

  #takeShare(actor: string): boolean {
    const { actorLimit, clock } = this.#options;
    if (actorLimit === undefined) return true;
    if (this.#byActor.size >= MAX_ACTORS && !this.#byActor.has(actor)) this.#byActor.clear();
    const share = this.#byActor.get(actor) ?? new TokenBucket({ ...actorLimit, clock });
    this.#byActor.set(actor, share);
    return share.take().ok;
  }

  #chain(org: OrgId): ChainWriter {
    const known = this.#chains.get(org);
    if (known !== undefined) return known;
    const { streams, clock, retryForMs = RETRY_FOR_MS } = this.#options;
    const chain = new ChainWriter({
      streams,
      clock,
      org,
      retryForMs,
      stopping: this.#stopping.signal,
    });
    this.#chains.set(org, chain);
    return chain;
  }

  #lost(record: AuditRecord, err: Error): void {
    this.#options.metrics.auditLost.inc();
    this.#options.logger.error('audit record not stored', { record, err });
  }
}

const STOP_MS = 5_000;
const RETRY_FOR_MS = 60_000;

/** Details as JSON has them: a verifier reads the records as JSON and must compute the same bytes. */
function normalised(record: AuditRecord): AuditRecord {
  return JSON.parse(JSON.stringify(record)) as AuditRecord;
}

/** A journal entry may be larger than a record; it can be read in the journal. */
function bounded(record: AuditRecord): AuditRecord {
  if (encodeRecord(record).length <= MAX_RECORD_BYTES) return record;
  const { seq, journal } = record.details ?? {};
  return { ...record, details: { seq, journal, tooLarge: true } };
}
