import type { Metrics } from '@muster/runtime';

export type JournalMetrics = ReturnType<typeof journalMetrics>;

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
      help: 'Journal entries that were passed over because they could not be read.',
    }),
  };
}
