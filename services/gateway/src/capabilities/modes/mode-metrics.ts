import type { Metrics } from '@muster/runtime';

/** What is counted about channels. */
export function createModeMetrics(metrics: Metrics) {
  return {
    assignments: metrics.counter({
      name: 'muster_gateway_mode_assignments_total',
      help: 'MODE frames by the channel that they assign.',
      labels: ['mode'],
      initial: [{ mode: 'live' }, { mode: 'poll' }],
    }),
    fallbacks: metrics.counter({
      name: 'muster_gateway_fallbacks_total',
      help: 'Sessions whose agent said that it could not use its assigned channel, by the channel of the session.',
      labels: ['mode'],
      initial: [{ mode: 'live' }, { mode: 'poll' }],
    }),
    fallbackRecords: metrics.counter({
      name: 'muster_gateway_fallback_records_total',
      help: 'What became of the records of that: kept, dropped (too many at once), failed (the broker is away).',
      labels: ['result'],
      initial: [{ result: 'kept' }, { result: 'dropped' }, { result: 'failed' }],
    }),
  };
}

export type ModeMetrics = ReturnType<typeof createModeMetrics>;
