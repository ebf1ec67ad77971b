import type { StreamStore } from '@muster/bus';
import type { OrgId } from '@muster/protocol';
import { encodeRecord, type AuditRecord } from '@muster/records';
import { TokenBucket, type Clock, type Logger } from '@muster/runtime';
import { ChainWriter } from './chain-writer.js';

/** What somebody did or was refused; the trail says when, and what came before it. */
export type NewAuditRecord = Omit<AuditRecord, 'atMs' | 'prev'>;

interface Count {
  inc(): void;
}

export interface AuditTrailOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: {
    /** Records that could not be kept; each is in the process's log. */
    readonly auditLost: Count;
    /** Refusals of rateLimit that were counted instead of kept. */
    readonly auditSuppressed: Count;
  };
  /** What rateLimit can cause without limit is kept within one; default 100 at once, 5 a second. */
  readonly rateLimit?: { readonly capacity: number; readonly refillPerSecond: number };
  /** Records on their way, over all orgs; default 10,000. */
  readonly maxPending?: number;
  /** How long a record is tried; default 60 s. */
  readonly retryForMs?: number;
}

const MAX_RECORD_BYTES = 256 * 1024;

/**
 * Writes the audit chains of this process's orgs. Any number of processes may write to one chain: every append is a compare-and-set against
 * the newest record, and who loses reads that and goes on from there. A record is on its way before the answer leaves, and nobody waits for
 * it; one that cannot be kept is logged whole, so that it is not lost, and counted. Records of one org and process keep their order; those of
 * several processes stand in the order in which they won.
 */
export class AuditTrail {
  readonly #options: AuditTrailOptions;
  readonly #maxPending: number;
  readonly #chains = new Map<OrgId, ChainWriter>();
  readonly #rateLimit: TokenBucket;
  readonly #stopping = new AbortController();
  #pending = 0;
  #suppressed = 0;

  constructor(options: AuditTrailOptions) {
    this.#options = options;
    this.#maxPending = options.maxPending ?? 10_000;
    const rateLimit = options.rateLimit ?? { capacity: 100, refillPerSecond: 5 };
    this.#rateLimit = new TokenBucket({ ...rateLimit, clock: options.clock });
  }

  record(record: NewAuditRecord): void {
    const complete = normalised({ ...record, atMs: this.#options.clock.now() });
    if (this.#stopping.signal.aborted) this.#lost(complete, new Error('the trail was stopped'));
    else if (this.#pending >= this.#maxPending) {
      this.#lost(complete, new Error('too many audit records are on their way'));
    } else if (encodeRecord(complete).length > MAX_RECORD_BYTES) this.#lost(complete, new Error('too large to keep'));
    else {
      this.#pending += 1;
      this.#chain(record.org).add(complete);
    }
  }

  /** For refusals that need no credentials or come in floods: what is over the limit is counted and told by the next one that is kept. */
  recordRateLimited(record: NewAuditRecord): void {
    if (!this.#rateLimit.take().ok) {
      this.#suppressed += 1;
      this.#options.metrics.auditSuppressed.inc();
      return;
    }
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    this.record(suppressed === 0 ? record : { ...record, details: { ...record.details, suppressed } });
  }

  /** Resolves when all that was recorded before is kept, or given up. */
  async flush(): Promise<void> {
    await Promise.all(Array.from(this.#chains.values(), (chain) => chain.idle()));
  }

  /** Waits for what is on its way until the signal is aborted (or 5 s have passed); what is left then is logged. Idempotent. */
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

  #chain(org: OrgId): ChainWriter {
    const known = this.#chains.get(org);
    if (known !== undefined) return known;
    const { streams, clock, retryForMs = RETRY_FOR_MS } = this.#options;
    const made = new ChainWriter({
      streams,
      clock,
      org,
      retryForMs,
      stopping: this.#stopping.signal,
      settled: (record, lost) => {
        this.#pending -= 1;
        if (lost !== undefined) this.#lost(record, lost);
      },
    });
    this.#chains.set(org, made);
    return made;
  }

  #lost(record: AuditRecord, err: Error): void {
    this.#options.metrics.auditLost.inc();
    this.#options.logger.error('audit record not kept', { record, err });
  }
}

const STOP_MS = 5_000;
const RETRY_FOR_MS = 60_000;

/** Details as JSON has them: whoever verifies the chain has read it as JSON, and must come to the same bytes. */
function normalised(record: AuditRecord): AuditRecord {
  return JSON.parse(JSON.stringify(record)) as AuditRecord;
}
