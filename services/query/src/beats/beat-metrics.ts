import type { Metrics } from '@muster/runtime';

export type BeatMetrics = ReturnType<typeof beatMetrics>;

export function beatMetrics(metrics: Metrics) {
  return {
    orphans: metrics.counter({
      name: 'muster_query_orphans_total',
      help: 'Queries found running without an owner, by what became of them here.',
      labels: ['result'],
    }),
  };
}
