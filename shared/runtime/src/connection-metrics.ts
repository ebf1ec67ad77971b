import type { Metrics } from './metrics.js';

type State = 'silent' | 'asking' | 'idle' | 'busy';

/** Metrics of one listener: `muster_api_connections` of the service's own, `muster_api_health_connections` of the one for health. */
export function createConnectionMetrics(
  metrics: Metrics,
  listener: string,
  counts: () => Readonly<Record<State, number>>,
) {
  const prefix = `muster_${metrics.service}_${listener === metrics.service ? '' : `${listener}_`}connections`;
  metrics.gauge({
    name: prefix,
    help: 'Open connections: silent or asking (no valid credentials so far), idle or busy (with valid credentials).',
    labels: ['state'],
    collect: (gauge) => {
      for (const [state, count] of Object.entries(counts())) gauge.set({ state: state as State }, count);
    },
  });
  return {
    ended: metrics.counter({
      name: `${prefix}_cut_total`,
      help: 'Connections that were refused (refused_ and the bound), closed to make room (room_ and the bound), or closed because no request came in time (no_request).',
      labels: ['why'],
      initial: [{ why: 'no_request' }],
    }),
  };
}

export type ConnectionMetrics = ReturnType<typeof createConnectionMetrics>;
