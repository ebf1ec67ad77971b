import type { HealthState } from '@muster/records';
import type { Counter, Metrics } from '@muster/runtime';
import { createFleetMetrics } from './fleet/fleet-metrics.js';
import type { FleetHistograms } from './fleet/fleet-histograms.js';
import type { FleetLabel } from './fleet/fleet-labels.js';
import { healthMetrics } from './health/health-metrics.js';
import { requestMetrics } from './requests/telemetry-request-handler.js';
import { sampleMetrics } from './samples/sample-handler.js';

export interface LiveState {
  readonly labels: readonly FleetLabel[];
  readonly fleet: () => FleetHistograms;
  readonly partitions: () => number;
  readonly services: () => number;
  /** How many of its endpoints are in each state. */
  readonly health: () => Readonly<Record<HealthState, number>>;
  /** Gives up what this instance must not count any more. */
  readonly beforeRead: () => void;
}

/** All metrics of the telemetry service. The gauges are read when they are scraped. */
export function createTelemetryMetrics(metrics: Metrics, live: LiveState) {
  metrics.gauge({
    name: 'muster_telemetry_partitions',
    help: 'Partitions of endpoints that this process owns, of 32.',
    collect: (gauge) => {
      live.beforeRead();
      gauge.set(live.partitions());
    },
  });
  metrics.gauge({
    name: 'muster_telemetry_live_services',
    help: 'Telemetry services that this process knows to be live, itself included.',
    collect: (gauge) => gauge.set(live.services()),
  });
  createFleetMetrics(metrics, live);
  const keyframesWanted: Counter<'why'> = metrics.counter({
    name: 'muster_telemetry_keyframes_wanted_total',
    help: 'Requests for keyframes to gateways: of partitions that were taken over, or of endpoints whose keyframe was lost.',
    labels: ['why'],
    initial: [{ why: 'partitions' }, { why: 'lost' }],
  });
  return {
    samples: sampleMetrics(metrics),
    health: healthMetrics(metrics, live),
    requests: requestMetrics(metrics),
    keyframesWanted,
  };
}
