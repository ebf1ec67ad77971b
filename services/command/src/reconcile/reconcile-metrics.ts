import type { Metrics } from '@muster/runtime';

export type ReconcileMetrics = ReturnType<typeof reconcileMetrics>;

export function reconcileMetrics(metrics: Metrics) {
  return {
    deliveries: metrics.counter({
      name: 'muster_command_deliveries_total',
      help: 'Targets that gateways were told to deliver to, repetitions too, by how the gateway was found.',
      labels: ['route'],
    }),
    cancels: metrics.counter({
      name: 'muster_command_cancels_total',
      help: 'Targets that gateways were told to stop, repetitions too.',
    }),
    settled: metrics.counter({
      name: 'muster_command_targets_settled_total',
      help: 'Targets that came to their end while this process drove their command, by state.',
      labels: ['state'],
    }),
    failures: metrics.counter({
      name: 'muster_command_driving_failures_total',
      help: 'Turns of driving a command that failed and were left to the next.',
    }),
    takeovers: metrics.counter({
      name: 'muster_command_takeovers_total',
      help: 'Open commands that this process began to drive because the set of live services changed.',
    }),
  };
}
