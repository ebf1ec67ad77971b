import type { Metrics } from '@muster/runtime';

export function createPollMetrics(metrics: Metrics) {
  return {
    openings: metrics.counter({
      name: 'muster_gateway_poll_openings_total',
      help: 'Requests to open a poll session, by result.',
      labels: ['result'],
    }),
    requests: metrics.counter({
      name: 'muster_gateway_poll_requests_total',
      help: 'Requests in poll sessions: taken, ended (the session is over), forged (no gateway made its name), malformed, body.',
      labels: ['result'],
    }),
    relayed: metrics.counter({
      name: 'muster_gateway_polls_relayed_total',
      help: 'Polls that were passed on to the gateway that holds their session, by how it answered.',
      labels: ['result'],
    }),
  };
}

export type PollMetrics = ReturnType<typeof createPollMetrics>;
