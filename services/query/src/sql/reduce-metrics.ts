import { LATENCY_BUCKETS, type Metrics } from '@muster/runtime';

export type ReduceMetrics = ReturnType<typeof reduceMetrics>;

export function reduceMetrics(metrics: Metrics) {
  return {
    runs: metrics.counter({
      name: 'muster_query_reductions_total',
      help: 'Reduce statements, by result.',
      labels: ['result'],
    }),
    duration: metrics.histogram({
      name: 'muster_query_reduction_seconds',
      help: 'Time to read the rows and run a reduce statement over them.',
      buckets: LATENCY_BUCKETS,
    }),
  };
}
