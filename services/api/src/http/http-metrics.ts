import { LATENCY_BUCKETS, type Metrics } from '@muster/runtime';

/** Metrics of requests and event streams. Label values come from small closed sets: route templates, methods, status classes, reasons. */
export function createHttpMetrics(metrics: Metrics) {
  return {
    requestSeconds: metrics.histogram({
      name: 'muster_api_request_duration_seconds',
      help: 'Time from a request to the end of its answer; streams of events are not in it.',
      labels: ['route', 'method', 'status_class'],
      buckets: LATENCY_BUCKETS,
    }),
    viewers: metrics.gauge({ name: 'muster_api_viewers', help: 'Open streams of events.', labels: ['format'] }),
    viewersEnded: metrics.counter({
      name: 'muster_api_viewers_ended_total',
      help: 'Streams of events that ended, by how: ended, closed (by the viewer), stalled, failed, interrupted, revoked or expired (the token).',
      labels: ['how'],
      initial: [
        { how: 'ended' },
        { how: 'closed' },
        { how: 'stalled' },
        { how: 'failed' },
        { how: 'interrupted' },
        { how: 'revoked' },
        { how: 'expired' },
      ],
    }),
    viewersRefused: metrics.counter({
      name: 'muster_api_viewers_refused_total',
      help: 'Streams of events refused because too many are open, by bound: of the operator, of the org, or total.',
      labels: ['bound'],
      initial: [{ bound: 'operator' }, { bound: 'org' }, { bound: 'total' }],
    }),
    authFailures: metrics.counter({
      name: 'muster_api_auth_failures_total',
      help: 'Requests whose credentials were refused, by reason.',
      labels: ['reason'],
    }),
    rateLimited: metrics.counter({
      name: 'muster_api_rate_limited_total',
      help: 'Requests refused by a limit: rate of the principal, rate of failed authentications of one address, requests in_progress.',
      labels: ['limit'],
      initial: [{ limit: 'failed_authentications' }, { limit: 'principal' }, { limit: 'in_progress' }],
    }),
  };
}

export type HttpMetrics = ReturnType<typeof createHttpMetrics>;
