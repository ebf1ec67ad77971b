import type { Metrics } from '@muster/runtime';

export type ResultMetrics = ReturnType<typeof resultMetrics>;

export function resultMetrics(metrics: Metrics) {
  return {
    events: metrics.counter({
      name: 'muster_query_result_events_total',
      help: 'Events written to the result stream.',
      labels: ['kind'],
    }),
    bytes: metrics.counter({
      name: 'muster_query_result_bytes_total',
      help: 'Bytes of events written to the result stream.',
    }),
    retries: metrics.counter({
      name: 'muster_query_result_retries_total',
      help: 'Appends to the result stream that were repeated because the broker did not take them.',
    }),
    fenced: metrics.counter({
      name: 'muster_query_fenced_total',
      help: 'Queries of this process that another process had ended.',
    }),
  };
}
