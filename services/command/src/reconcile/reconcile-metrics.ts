import type { Metrics } from '@muster/runtime';

export type ReconcileMetrics = ReturnType<typeof reconcileMetrics>;

export function reconcileMetrics(metrics: Metrics) {
  return {
    settled: metrics.counter({
      name: 'muster_command_targets_settled_total',
      help: 'Targets that settled while this process reconciled their command, by state.',
      labels: ['state'],
    }),
    ended: metrics.counter({
      name: 'muster_command_ended_total',
      help: 'Commands that ended while this process reconciled them: in_time, or late, a minute or more after their latest end.',
      labels: ['when'],
      initial: [{ when: 'in_time' }, { when: 'late' }],
    }),
    failures: metrics.counter({
      name: 'muster_command_reconcile_failures_total',
      help: 'Turns of reconciling a command that failed; the next turn tries again.',
    }),
    takeovers: metrics.counter({
      name: 'muster_command_takeovers_total',
      help: 'Open commands that this process took over because the set of live services changed.',
    }),
  };
}
