import type { Metrics } from '@muster/runtime';

/** What is counted of this gateway's lease. */
export function createLeaseMetrics(metrics: Metrics) {
  return {
    renewals: metrics.counter({
      name: 'muster_gateway_lease_renewals_total',
      help: 'Attempts to renew the lease: renewed, lapsed (it had ended and holds again), dropped, unavailable (Redis), unheard (its own ping did not come back through NATS).',
      labels: ['result'],
      initial: [
        { result: 'renewed' },
        { result: 'lapsed' },
        { result: 'dropped' },
        { result: 'unavailable' },
        { result: 'unheard' },
      ],
    }),
    fences: metrics.counter({
      name: 'muster_gateway_fences_total',
      help: 'Times that this gateway stood still past its lease and gave up its sessions.',
    }),
  };
}

export type LeaseMetrics = ReturnType<typeof createLeaseMetrics>;
