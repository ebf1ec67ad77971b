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
  return {
    audit: auditMetrics(metrics),
    deliveries: deliveryMetrics(metrics),
    journal: journalMetrics(metrics),
    reconcile: reconcileMetrics(metrics),
    reports: reportMetrics(metrics),
    requests: requestMetrics(metrics),
  };
}
