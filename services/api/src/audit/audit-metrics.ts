import type { Metrics } from '@muster/runtime';

/** Audit records that were suppressed or lost. */
export function createAuditMetrics(metrics: Metrics) {
  return {
    auditSuppressed: metrics.counter({
      name: 'muster_api_audit_suppressed_total',
      help: 'Refusals of unknown callers that were counted instead of kept.',
    }),
    auditLost: metrics.counter({
      name: 'muster_api_audit_lost_total',
      help: 'Audit records that could not be kept; each is in the log.',
    }),
  };
}
