import { LATENCY_BUCKETS, type Metrics } from '@muster/runtime';

export type OwnerMetrics = ReturnType<typeof ownerMetrics>;

export function ownerMetrics(metrics: Metrics) {
  return {
    ended: metrics.counter({
      name: 'muster_query_ended_total',
      help: 'Queries that ended here, by how.',
      labels: ['state', 'mode'],
    }),
    firstRows: metrics.histogram({
      name: 'muster_query_first_rows_seconds',
      help: 'From the broadcast of a query to the first report that brought an answer.',
      buckets: LATENCY_BUCKETS,
    }),
    duration: metrics.histogram({
      name: 'muster_query_duration_seconds',
      help: 'From the broadcast of a query to its end in the result stream.',
      labels: ['mode'],
      buckets: [...LATENCY_BUCKETS, 60, 120, 300, 600],
    }),
    endpoints: metrics.counter({
      name: 'muster_query_endpoints_total',
      help: 'Endpoints of ended queries, by outcome.',
      labels: ['outcome'],
    }),
    reports: metrics.counter({
      name: 'muster_query_reports_total',
      help: 'Reports from gateways, by what became of them.',
      labels: ['result'],
    }),
    lostReports: metrics.counter({
      name: 'muster_query_reports_lost_total',
      help: 'Reports that gateways sent and that never came.',
    }),
    deadGateways: metrics.counter({
      name: 'muster_query_gateways_dead_total',
      help: 'Gateways that were found dead while a query needed them, by sign.',
      labels: ['sign'],
    }),
    truncated: metrics.counter({
      name: 'muster_query_truncated_total',
      help: 'Queries that ended with less than the whole truth in their rows.',
    }),
  };
}
