import type { Metrics } from '@muster/runtime';

export function createPollMetrics(metrics: Metrics) {
  return {
    pollOpenings: metrics.counter({
      name: 'muster_gateway_poll_openings_total',
      help: 'Requests to open a poll session, by result.',
      labels: ['result'],
    }),
    pollRequests: metrics.counter({
      name: 'muster_gateway_poll_requests_total',
      help: 'Requests within poll sessions: taken, ended (the session is over), forged (its name is none of ours), malformed, body.',
      labels: ['result'],
    }),
    pollsRelayed: metrics.counter({
      name: 'muster_gateway_polls_relayed_total',
      help: 'Polls that were passed on to the gateway that holds their session, by how it answered.',
      labels: ['result'],
    }),
  };
}

export type PollMetrics = ReturnType<typeof createPollMetrics>;
