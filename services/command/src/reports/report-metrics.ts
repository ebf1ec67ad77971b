import type { Metrics } from '@muster/runtime';

export type ReportMetrics = ReturnType<typeof reportMetrics>;

export function reportMetrics(metrics: Metrics) {
  return {
    reports: metrics.counter({
      name: 'muster_command_reports_total',
      help: 'Reports of agents, by what became of them here.',
      labels: ['result'],
    }),
  };
}
