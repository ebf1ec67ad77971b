import type { Metrics } from '@muster/runtime';

/** What the query desk counts. */
export function createQueryMetrics(metrics: Metrics, active: () => number) {
  metrics.gauge({
    name: 'muster_gateway_active_queries',
    help: 'Queries that this gateway works on.',
    collect: (gauge) => gauge.set(active()),
  });
  return {
    asked: metrics.counter({ name: 'muster_gateway_asked_sessions_total', help: 'Sessions that were asked a query.' }),
    reports: metrics.counter({
      name: 'muster_gateway_reports_total',
      help: 'Reports to owners of queries; dropped ones were lost because the broker was away.',
      labels: ['result'],
    }),
    reportBytes: metrics.counter({
      name: 'muster_gateway_report_bytes_total',
      help: 'Bytes of reports to owners of queries.',
    }),
  };
}

export type QueryMetrics = ReturnType<typeof createQueryMetrics>;
