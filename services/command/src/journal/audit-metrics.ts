import type { Metrics } from '@muster/runtime';

export type AuditMetrics = ReturnType<typeof auditMetrics>;

export function auditMetrics(metrics: Metrics) {
  return {
    auditLost: metrics.counter({
      name: 'muster_command_audit_lost_total',
      help: 'Audit records that could not be kept; each is in the log.',
    }),
    auditSuppressed: metrics.counter({
      name: 'muster_command_audit_suppressed_total',
      help: 'Refusals of commands by endpoints that were counted instead of kept, because there were too many.',
    }),
  };
}
