import type { Metrics } from '@muster/runtime';

/** What the registry's connection counts. `connected` is read at each scrape. */
export function createRegistryMetrics(metrics: Metrics, connected: () => boolean) {
  const prefix = `muster_${metrics.service}_registry`;
  metrics.gauge({
    name: `${prefix}_connected`,
    help: 'Whether Redis answers (1) or not (0).',
    collect: (gauge) => gauge.set(connected() ? 1 : 0),
  });
  return {
    commandSeconds: metrics.histogram({
      name: `${prefix}_command_seconds`,
      help: 'From a command to Redis to its answer.',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    }),
    failures: metrics.counter({
      name: `${prefix}_failures_total`,
      help: 'Commands to Redis that failed or were not sent because it does not answer.',
    }),
    reconnects: metrics.counter({
      name: `${prefix}_reconnects_total`,
      help: 'Times that the connection to Redis came back after the first one.',
    }),
  };
}

export type RegistryMetrics = ReturnType<typeof createRegistryMetrics>;
