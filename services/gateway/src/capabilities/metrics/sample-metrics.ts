import type { Metrics } from '@muster/runtime';

export interface SampleGauges {
  readonly keyframes: () => number;
  readonly keyframeBytes: () => number;
  readonly watched: () => number;
  readonly histories: () => number;
}

/** What is counted about host metrics that pass this gateway. */
export function createSampleMetrics(metrics: Metrics, gauges: SampleGauges) {
  metrics.gauge({
    name: 'muster_gateway_metrics_keyframes',
    help: 'Sessions whose last keyframe this gateway keeps.',
    collect: (gauge) => gauge.set(gauges.keyframes()),
  });
  metrics.gauge({
    name: 'muster_gateway_metrics_keyframe_bytes',
    help: 'Bytes of these keyframes, and of the deltas that are kept with them.',
    collect: (gauge) => gauge.set(gauges.keyframeBytes()),
  });
  metrics.gauge({
    name: 'muster_gateway_metrics_watched_endpoints',
    help: 'Endpoints here that are asked for a sample a second, because somebody watches.',
    collect: (gauge) => gauge.set(gauges.watched()),
  });
  metrics.gauge({
    name: 'muster_gateway_metrics_history_requests',
    help: 'Requests for history that endpoints have yet to answer.',
    collect: (gauge) => gauge.set(gauges.histories()),
  });
  return {
    samples: metrics.counter({
      name: 'muster_gateway_metrics_samples_total',
      help: 'Frames with samples that came: taken, over (too many), off (not asked for any more), too_big and flood (these end the session).',
      labels: ['result'],
      initial: [{ result: 'taken' }, { result: 'over' }, { result: 'off' }, { result: 'too_big' }, { result: 'flood' }],
    }),
    batches: metrics.counter({
      name: 'muster_gateway_metrics_batches_total',
      help: 'Messages to telemetry services; dropped ones were lost in the connection to the broker.',
      labels: ['result'],
      initial: [{ result: 'sent' }, { result: 'dropped' }],
    }),
    dropped: metrics.counter({
      name: 'muster_gateway_metrics_dropped_total',
      help: 'What was not passed on: batch, watch, history (the broker is away or slow), old (too much waited for the broker), ended (the same, of ends of sessions), keyframe (no memory to keep one).',
      labels: ['reason'],
      initial: [
        { reason: 'batch' },
        { reason: 'watch' },
        { reason: 'history' },
        { reason: 'old' },
        { reason: 'ended' },
        { reason: 'keyframe' },
      ],
    }),
    watchFrames: metrics.counter({
      name: 'muster_gateway_metrics_watch_frames_total',
      help: 'Frames that were sent to viewers.',
    }),
    refusedWatches: metrics.counter({
      name: 'muster_gateway_metrics_refused_watches_total',
      help: 'Watches that were not taken: endpoints (too many are watched here), list (an API process named too many).',
      labels: ['reason'],
      initial: [{ reason: 'endpoints' }, { reason: 'list' }],
    }),
    histories: metrics.counter({
      name: 'muster_gateway_metrics_histories_total',
      help: 'Requests for history: asked, complete, timed_out, busy (too many at once), too_long, unasked (frames that nobody waits for).',
      labels: ['result'],
      initial: [
        { result: 'asked' },
        { result: 'complete' },
        { result: 'timed_out' },
        { result: 'busy' },
        { result: 'too_long' },
        { result: 'unasked' },
      ],
    }),
  };
}

export type SampleMetrics = ReturnType<typeof createSampleMetrics>;
