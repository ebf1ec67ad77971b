import type { Metrics } from '@muster/runtime';

export type LivenessMetrics = ReturnType<typeof livenessMetrics>;

export function livenessMetrics(metrics: Metrics) {
  return {
    orphans: metrics.counter({
      name: 'muster_query_orphans_total',
      help: 'Queries found running without a coordinator, by result.',
      labels: ['result'],
      initial: [
        { result: 'interrupted' },
        { result: 'resumed' },
        { result: 'repaired' },
        { result: 'settled' },
        { result: 'alive' },
        { result: 'unavailable' },
      ],
    }),
  };
}
