import { LATENCY_BUCKETS, type Metrics } from '@muster/runtime';

export type RequestMetrics = ReturnType<typeof requestMetrics>;

export function requestMetrics(metrics: Metrics) {
  return {
    requests: metrics.counter({
      name: 'muster_command_requests_total',
      help: 'Requests to the command service, by kind and result (ok or an error code).',
      labels: ['kind', 'result'],
    }),
    seconds: metrics.histogram({
      name: 'muster_command_request_seconds',
      help: 'From a request to its reply.',
      labels: ['kind'],
      buckets: LATENCY_BUCKETS,
    }),
  };
}
