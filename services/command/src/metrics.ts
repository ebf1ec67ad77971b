import type { Metrics } from '@muster/runtime';
import { auditMetrics, type AuditMetrics } from './audit/audit-metrics.js';
import { drivingMetrics, type DrivingMetrics } from './driving/driving-metrics.js';
import { intakeMetrics, type IntakeMetrics } from './intake/intake-metrics.js';
import { journalMetrics, type JournalMetrics } from './journal/journal-metrics.js';
import { reportMetrics, type ReportMetrics } from './reports/report-metrics.js';

export interface CommandMetrics {
  readonly audit: AuditMetrics;
  readonly driving: DrivingMetrics;
  readonly intake: IntakeMetrics;
  readonly journal: JournalMetrics;
  readonly reports: ReportMetrics;
}

export interface LiveCounts {
  readonly open: () => number;
  readonly driven: () => number;
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
    collect: (gauge) => gauge.set(live.driven()),
  });
  metrics.gauge({
    name: 'muster_command_live_services',
    help: 'Command services that live, as this process hears them, itself included.',
    collect: (gauge) => gauge.set(live.services()),
  });
  return {
    audit: auditMetrics(metrics),
    driving: drivingMetrics(metrics),
    intake: intakeMetrics(metrics),
    journal: journalMetrics(metrics),
    reports: reportMetrics(metrics),
  };
}
