import type { Metrics } from '@muster/runtime';

/** What is counted about channels. */
export function createModeMetrics(metrics: Metrics) {
  return {
    modesTold: metrics.counter({
      name: 'muster_gateway_modes_told_total',
      help: 'MODE frames by the channel that they ask for.',
      labels: ['mode'],
    }),
    away: metrics.counter({
      name: 'muster_gateway_away_total',
      help: 'Sessions whose agent said that it could not use the channel that it was told to use, by the channel that it said so over.',
      labels: ['mode'],
    }),
    awayRecords: metrics.counter({
      name: 'muster_gateway_away_records_total',
      help: 'What became of the records of that: kept, dropped (too many at once), failed (the broker is away).',
      labels: ['result'],
    }),
  };
}

export type ModeMetrics = ReturnType<typeof createModeMetrics>;
