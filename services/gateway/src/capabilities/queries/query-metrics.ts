import type { Metrics } from '@muster/runtime';

/** What the query capability counts. */
export function createQueryMetrics(metrics: Metrics, active: () => number) {
  metrics.gauge({
    name: 'muster_gateway_active_queries',
    help: 'Queries that this gateway works on.',
    collect: (gauge) => gauge.set(active()),
  });
  return {
    asked: metrics.counter({ name: 'muster_gateway_asked_sessions_total', help: 'Sessions that were asked a query.' }),
    updates: metrics.counter({
      name: 'muster_gateway_query_updates_total',
      help: 'Updates to coordinators of queries; dropped ones were lost because the broker was away.',
      labels: ['result'],
      initial: [{ result: 'sent' }, { result: 'dropped' }],
    }),
    updateBytes: metrics.counter({
      name: 'muster_gateway_query_update_bytes_total',
      help: 'Bytes of updates to coordinators of queries.',
    }),
  };
}

export type QueryMetrics = ReturnType<typeof createQueryMetrics>;
