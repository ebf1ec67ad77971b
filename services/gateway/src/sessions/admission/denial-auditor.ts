import { AuditTrail, type AuditTrailOptions } from '@muster/audit';
import type { OrgId } from '@muster/protocol';

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
 * What was refused at the edge, for the audit chain; what was granted keeps a record of its own. Refusals come from whoever reaches the port,
 * so they are rate-bounded: a flood of them is counted by metrics and does not fill the chain.
 */
export class DenialAuditor {
  readonly #trail: AuditTrail;

  constructor(options: Pick<AuditTrailOptions, 'streams' | 'clock' | 'logger' | 'metrics'>) {
    this.#trail = new AuditTrail({ ...options, rateLimit: { capacity: 100, refillPerSecond: 10 } });
  }

  /** Waits for what is on its way. */
  async stop(signal: AbortSignal): Promise<void> {
    await this.#trail.stop(signal);
  }

  refused({ org, action, from, agentId, code, reason }: Refusal): void {
    this.#trail.recordRateLimited({
      org,
      actor: agentId ?? 'unknown',
      actorName: 'agent',
      action,
      outcome: 'refused',
      from,
      ...(agentId === undefined ? {} : { subject: agentId }),
      code,
      details: { reason },
    });
  }
}
