import type { Metrics } from '@muster/runtime';

export type JournalMetrics = ReturnType<typeof journalMetrics>;

export type AuditMetrics = ReturnType<typeof auditMetrics>;

export function journalMetrics(metrics: Metrics) {
  return {
    entries: metrics.counter({
      name: 'muster_command_journal_entries_total',
      help: 'Journal entries that this process wrote, by kind.',
      labels: ['kind'],
    }),
    bytes: metrics.counter({
      name: 'muster_command_journal_bytes_total',
      help: 'Bytes of the journal entries that this process wrote.',
    }),
    failed: metrics.counter({
      name: 'muster_command_journal_failures_total',
      help: 'Journal entries that were given up because the broker did not acknowledge them.',
    }),
    appendSeconds: metrics.histogram({
      name: 'muster_command_journal_append_seconds',
      help: 'From an append to its acknowledgement.',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    }),
    unreadable: metrics.counter({
      name: 'muster_command_journal_unreadable_total',
      help: 'Journal entries that were skipped because they could not be read.',
    }),
  };
}

export function auditMetrics(metrics: Metrics) {
  return {
    auditLost: metrics.counter({
      name: 'muster_command_audit_lost_total',
      help: 'Audit records that could not be written; each of them is in the log.',
    }),
    auditSuppressed: metrics.counter({
      name: 'muster_command_audit_suppressed_total',
      help: 'Refusals of commands by endpoints that were only counted, because there were too many to record.',
    }),
  };
}
