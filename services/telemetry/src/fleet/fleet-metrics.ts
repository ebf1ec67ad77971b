import type { GaugeHistogramValue, Metrics } from '@muster/runtime';
import { FLEET_BUCKETS, type CountedVital, type FleetHistograms } from './fleet-histograms.js';
import type { FleetLabel } from './fleet-labels.js';

const METRICS: Readonly<Record<CountedVital, { readonly name: string; readonly help: string }>> = {
  cpu: { name: 'muster_telemetry_endpoint_cpu_ratio', help: 'Endpoints by the share of their processors in use now.' },
  memory: {
    name: 'muster_telemetry_endpoint_memory_ratio',
    help: 'Endpoints by the share of their memory in use now.',
  },
  disk: {
    name: 'muster_telemetry_endpoint_disk_ratio',
    help: 'Endpoints by how full their fullest file system is now.',
  },
  load: {
    name: 'muster_telemetry_endpoint_load_ratio',
    help: 'Endpoints by their load of one minute for each processor.',
  },
  clock: {
    name: 'muster_telemetry_endpoint_clock_offset_seconds',
    help: 'Endpoints by how far their clock is ahead of the gateway that received their sample.',
  },
};

/**
 * The fleet as it is now. `beforeRead` gives up what this instance must not count any more. The histograms are of
 * gauges: their buckets go down too, so no `rate` of them.
 */
export function createFleetMetrics(
  metrics: Metrics,
  {
    fleet,
    labels,
    beforeRead,
  }: { fleet: () => FleetHistograms; labels: readonly FleetLabel[]; beforeRead: () => void },
): void {
  const names = ['org', 'os', ...labels.map(({ name }) => name)];
  metrics.gauge({
    name: 'muster_telemetry_endpoints',
    help: 'Endpoints whose newest sample this process holds, by organisation, operating system and configured labels.',
    labels: names,
    collect: (gauge) => {
      beforeRead();
      gauge.reset();
      for (const group of fleet().groups()) gauge.set(group.labels, group.endpoints);
    },
  });
  for (const [vital, { name, help }] of Object.entries(METRICS) as [CountedVital, (typeof METRICS)[CountedVital]][]) {
    metrics.gaugeHistogram({
      ...{ name, help, labels: names, buckets: FLEET_BUCKETS[vital] },
      *collect(): Generator<GaugeHistogramValue<string>> {
        beforeRead();
        for (const group of fleet().groups()) yield { labels: group.labels, ...group.vitals[vital] };
      },
    });
  }
}
