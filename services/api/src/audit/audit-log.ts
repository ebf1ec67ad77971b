import { randomUUID } from 'node:crypto';
import type { Log } from '@muster/bus';
import { encodeKept, KEPT, type AuditRecord } from '@muster/protocol';
import { TokenBucket, type Clock, type Logger } from '@muster/runtime';
import type { ApiMetrics } from '../metrics.js';

export interface AuditLogOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ApiMetrics;
}

const MAX_PENDING = 10_000;
const ATTEMPTS = 3;

/**
 * Writes what people did and were refused. A record is on its way before the answer leaves, and nobody waits for it; one that cannot be
 * kept is logged whole, so that it is not lost, and counted.
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #pending = new Set<Promise<void>>();
  /** What strangers can cause without limit is kept within one: 5 a second, 100 at once. The rest is counted. */
  readonly #strangers: TokenBucket;
  #suppressed = 0;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#strangers = new TokenBucket({ capacity: 100, refillPerSecond: 5, clock: options.clock });
  }

  record(record: Omit<AuditRecord, 'atMs'>): void {
    const complete: AuditRecord = { ...record, atMs: this.#options.clock.now() };
    if (this.#pending.size >= MAX_PENDING) {
      this.#lost(complete, new Error('too many audit records are on their way'));
      return;
    }
    const written = this.#write(complete).finally(() => this.#pending.delete(written));
    this.#pending.add(written);
  }

  /** For refusals that need no credentials or come in floods: what is over the limit is counted and told by the next one that is kept. */
  recordBounded(record: Omit<AuditRecord, 'atMs'>): void {
    if (!this.#strangers.take().ok) {
      this.#suppressed += 1;
      this.#options.metrics.auditSuppressed.inc();
      return;
    }
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    this.record(suppressed === 0 ? record : { ...record, details: { ...record.details, suppressed } });
  }

  /** Waits for what is on its way. */
  async stop(): Promise<void> {
    await Promise.all(this.#pending);
  }

  async #write(record: AuditRecord): Promise<void> {
    const { log } = this.#options;
    const data = encodeKept(record);
    const msgId = randomUUID();
    let cause: Error | undefined;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const result = await log.append(KEPT.audit(record.org), data, { msgId });
      if (result.kind === 'appended') return;
      cause = result.kind === 'unavailable' ? result.cause : new Error('conflict');
    }
    this.#lost(record, cause);
  }

  #lost(record: AuditRecord, err: unknown): void {
    this.#options.metrics.auditLost.inc();
    this.#options.logger.error('audit record not kept', { record, err });
  }
}
