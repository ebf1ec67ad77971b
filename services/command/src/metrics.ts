import type { Metrics } from '@muster/runtime';
import { auditMetrics, type AuditMetrics } from './journal/audit-metrics.js';
import { reconcileMetrics, type ReconcileMetrics } from './reconcile/reconcile-metrics.js';
import { requestMetrics, type RequestMetrics } from './requests/request-metrics.js';
import { journalMetrics, type JournalMetrics } from './journal/journal-metrics.js';
import { reportMetrics, type ReportMetrics } from './reports/report-metrics.js';

export interface CommandMetrics {
  readonly audit: AuditMetrics;
  readonly reconcile: ReconcileMetrics;
  readonly requests: RequestMetrics;
  readonly journal: JournalMetrics;
  readonly reports: ReportMetrics;
}

export interface LiveCounts {
  readonly open: () => number;
  readonly reconciled: () => number;
  readonly services: () => number;
}

/** All metrics of the command service; the gauges read what lives when they are scraped. */
export function createCommandMetrics(metrics: Metrics, live: LiveCounts): CommandMetrics {
  metrics.gauge({
    name: 'muster_command_open_commands',
    help: 'Commands of the whole deployment that are not settled, as this process knows them.',
    collect: (gauge) => gauge.set(live.open()),
  });
  metrics.gauge({
    name: 'muster_command_driven_commands',
    help: 'Open commands that this process moves on.',
    collect: (gauge) => gauge.set(live.reconciled()),
  });
  metrics.gauge({
    name: 'muster_command_live_services',
    help: 'Command services that live, as this process hears them, itself included.',
    collect: (gauge) => gauge.set(live.services()),
  });
  return {
    audit: auditMetrics(metrics),
    reconcile: reconcileMetrics(metrics),
    requests: requestMetrics(metrics),
    journal: journalMetrics(metrics),
    reports: reportMetrics(metrics),
  };
}
