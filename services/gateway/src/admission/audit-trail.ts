import type { Log } from '@muster/bus';
import { encodeKept, KEPT, type AuditRecord, type OrgId } from '@muster/protocol';
import type { Clock, Logger, TokenBucket } from '@muster/runtime';

interface AuditedEvent {
  readonly org: OrgId;
  readonly action: string;
  readonly from: string;
  readonly subject?: string;
}

/**
 * What happened at the edge, for the audit stream. Refusals come from whoever reaches the port, so they are rate-bounded: a flood of them is
 * counted by metrics and does not fill the stream.
 */
export class AuditTrail {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #refusals: TokenBucket;

  constructor(options: {
    readonly log: Log;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly refusals: TokenBucket;
  }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#refusals = options.refusals;
  }

  allowed(event: AuditedEvent): void {
    this.#append({ ...this.#recordOf(event), outcome: 'allowed' });
  }

  refused(event: AuditedEvent & { readonly code: string; readonly reason: string }): void {
    if (!this.#refusals.take().ok) return;
    const { code, reason, ...rest } = event;
    this.#append({ ...this.#recordOf(rest), outcome: 'refused', code, details: { reason } });
  }

  #recordOf(event: AuditedEvent): Omit<AuditRecord, 'outcome'> {
    const { org, action, from, subject } = event;
    const actor = subject ?? 'unknown';
    return {
      atMs: this.#clock.now(),
      org,
      actor,
      actorName: 'agent',
      action,
      from,
      ...(subject === undefined ? {} : { subject }),
    };
  }

  #append(record: AuditRecord): void {
    void this.#log.append(KEPT.audit(record.org), encodeKept(record)).then((result) => {
      if (result.kind !== 'appended')
        this.#logger.warn('audit record could not be kept', { action: record.action, kind: result.kind });
    });
  }
}
