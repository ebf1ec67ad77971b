import type { Metrics } from '@muster/runtime';

export type RequestMetrics = ReturnType<typeof requestMetrics>;

export function requestMetrics(metrics: Metrics) {
  return {
    requests: metrics.counter({
      name: 'muster_query_requests_total',
      help: 'Requests to the query service, by kind and result (ok or an error code).',
      labels: ['kind', 'result'],
    }),
  };
}
