import type { Metrics } from '@muster/runtime';

/** What the way into the gateway counts. */
export function createAdmissionMetrics(metrics: Metrics) {
  return {
    upgrades: metrics.counter({
      name: 'muster_gateway_upgrades_total',
      help: 'WebSocket upgrades by result.',
      labels: ['result'],
    }),
    enrolments: metrics.counter({
      name: 'muster_gateway_enrolments_total',
      help: 'Enrolment requests by HTTP status.',
      labels: ['status'],
    }),
    hellos: metrics.counter({
      name: 'muster_gateway_hellos_total',
      help: 'Hellos by result.',
      labels: ['result'],
    }),
    auditSuppressed: metrics.counter({
      name: 'muster_gateway_audit_suppressed_total',
      help: 'Refusals that were counted instead of kept in the audit record.',
    }),
    auditLost: metrics.counter({
      name: 'muster_gateway_audit_lost_total',
      help: 'Audit records that could not be kept; each is in the log.',
    }),
  };
}

export type AdmissionMetrics = ReturnType<typeof createAdmissionMetrics>;
