import type { Log } from '@muster/bus';
import { encodeKept, KEPT, type AuditRecord, type OrgId } from '@muster/protocol';
import type { Clock, Logger, TokenBucket } from '@muster/runtime';

export interface Refusal {
  readonly org: OrgId;
  readonly action: 'agent.enroll' | 'agent.connect';
  /** The address it came from. */
  readonly from: string;
  /** The agent, where it has proven or named itself. */
  readonly agentId?: string;
  readonly code: string;
  readonly reason: string;
}

/**
 * What was refused at the edge, for the audit stream; what was granted keeps a record of its own. Refusals come from whoever reaches the port,
 * so they are rate-bounded: a flood of them is counted by metrics and does not fill the stream.
 */
export class RefusalTrail {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #rate: TokenBucket;

  constructor(options: {
    readonly log: Log;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly rate: TokenBucket;
  }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#rate = options.rate;
  }

  refused({ org, action, from, agentId, code, reason }: Refusal): void {
    if (!this.#rate.take().ok) return;
    const record: AuditRecord = {
      atMs: this.#clock.now(),
      org,
      actor: agentId ?? 'unknown',
      actorName: 'agent',
      action,
      outcome: 'refused',
      from,
      ...(agentId === undefined ? {} : { subject: agentId }),
      code,
      details: { reason },
    };
    void this.#log.append(KEPT.audit(org), encodeKept(record)).then(({ kind }) => {
      if (kind !== 'appended') this.#logger.warn('audit record could not be kept', { action, kind });
    });
  }
}
