import type { Metrics } from '@muster/runtime';
import { auditMetrics, journalMetrics } from './journal/journal-metrics.js';
import { reconcileMetrics } from './reconcile/reconcile-metrics.js';
import { deliveryMetrics } from './deliveries/delivery-sender.js';
import { reportMetrics } from './reports/report-handler.js';
import { requestMetrics } from './requests/command-request-handler.js';

export interface LiveCounts {
  readonly open: () => number;
  readonly reconciled: () => number;
  readonly services: () => number;
  readonly overdue: () => number;
  readonly lagSeconds: () => number;
}

/** All metrics of the command service. The gauges are read when they are scraped. */
export function createCommandMetrics(metrics: Metrics, live: LiveCounts) {
  metrics.gauge({
    name: 'muster_command_open_commands',
    help: 'Commands of the whole deployment that are not settled, as this process knows them.',
    collect: (gauge) => gauge.set(live.open()),
  });
  metrics.gauge({
    name: 'muster_command_reconciled_commands',
    help: 'Open commands that this process reconciles.',
    collect: (gauge) => gauge.set(live.reconciled()),
  });
  metrics.gauge({
    name: 'muster_command_live_services',
    help: 'Command services that this process knows to be live, itself included.',
    collect: (gauge) => gauge.set(live.services()),
  });
  metrics.gauge({
    name: 'muster_command_overdue_commands',
    help: 'Open commands of the whole deployment that should have ended a minute ago or more.',
    collect: (gauge) => gauge.set(live.overdue()),
  });
  metrics.gauge({
    name: 'muster_command_journal_lag_seconds',
    help: 'Age of an entry that the broker has stored for this process and that it has not read back.',
    collect: (gauge) => gauge.set(live.lagSeconds()),
  });
  return {
    audit: auditMetrics(metrics),
    deliveries: deliveryMetrics(metrics),
    journal: journalMetrics(metrics),
    reconcile: reconcileMetrics(metrics),
    reports: reportMetrics(metrics),
    requests: requestMetrics(metrics),
  };
}
