import { AuditTrail, type AuditTrailOptions } from '@muster/audit';
import type { OrgId } from '@muster/protocol';
import type { Metrics } from '@muster/runtime';

export interface AuditedDenial {
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
 * Writes what the gateway denied to the audit chain; what it granted has a record of its own. Anybody who reaches the port can cause
 * denials, so they are rate-bounded: a flood of them is counted in metrics and does not fill the chain. One agent, and all who
 * enrol without proving anything together, get a part of it, so that they hide nothing of what is denied to others.
 */
export class DenialAuditor {
  readonly #trail: AuditTrail;

  constructor({
    metrics,
    ...options
  }: Pick<AuditTrailOptions, 'streams' | 'clock' | 'logger'> & { readonly metrics: Metrics }) {
    this.#trail = new AuditTrail({
      ...options,
      rateLimit: { capacity: 100, refillPerSecond: 10 },
      actorLimit: { capacity: 40, refillPerSecond: 4 },
      metrics: {
        auditSuppressed: metrics.counter({
          name: 'muster_gateway_audit_suppressed_total',
          help: 'Denials that were counted instead of kept in the audit record.',
        }),
        auditLost: metrics.counter({
          name: 'muster_gateway_audit_lost_total',
          help: 'Audit records that could not be kept; each is in the log.',
        }),
      },
    });
  }

  /** Waits for what is on its way. */
  async stop(signal: AbortSignal): Promise<void> {
    await this.#trail.stop(signal);
  }

  denied({ org, action, from, agentId, code, reason }: AuditedDenial): void {
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
