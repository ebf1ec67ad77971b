import { HEALTH_STATES, type HealthState } from '@muster/records';
import type { Counter, Metrics } from '@muster/runtime';

export interface HealthMetrics {
  readonly events: Counter<'state'>;
  readonly failures: Counter;
}

export function healthMetrics(
  metrics: Metrics,
  live: { readonly health: () => Readonly<Record<HealthState, number>>; readonly beforeRead: () => void },
): HealthMetrics {
  metrics.gauge({
    name: 'muster_telemetry_endpoint_health',
    help: 'Endpoints whose newest sample this process holds, by their health.',
    labels: ['state'],
    collect: (gauge) => {
      live.beforeRead();
      for (const [state, count] of Object.entries(live.health())) gauge.set({ state }, count);
    },
  });
  return {
    events: metrics.counter({
      name: 'muster_telemetry_health_events_total',
      help: 'Changes of health that this process recorded, by the new state.',
      labels: ['state'],
      initial: HEALTH_STATES.map((state) => ({ state })),
    }),
    failures: metrics.counter({
      name: 'muster_telemetry_health_write_failures_total',
      help: 'Changes of health that the broker did not take, by attempts; they are tried again.',
    }),
  };
}
