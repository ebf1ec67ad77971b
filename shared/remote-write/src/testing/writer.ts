import { createMetrics, silentLogger } from '@muster/runtime';
import { systemClock, type Clock, type Logger } from '@muster/runtime/program';
import { createRemoteWriteMetrics } from '../remote-write-metrics.js';
import { RemoteWriter, type RemoteWriteOptions } from '../remote-writer.js';
import type { MetricDefinition } from '../series/metric-definition.js';

export const DEFINITIONS: readonly MetricDefinition[] = [
  { name: 'system_cpu_utilization', type: 'gauge', help: 'Share of time.', unit: 'ratio', labels: ['state', 'cpu'] },
  { name: 'system_network_io_bytes_total', type: 'counter', help: 'Bytes.', unit: 'bytes', labels: ['device'] },
  { name: 'system_uptime_seconds', type: 'gauge' },
];

export const OPTIONS: Omit<RemoteWriteOptions, 'url'> = {
  protocol: '1.0',
  labels: {},
  headers: {},
  shards: 3,
  batchSamples: 500,
  batchAgeMs: 20,
  pendingSamples: 1_000_000,
  maxSeries: 1_000_000,
  maxSeriesPerEndpoint: 1_000,
  maxSampleAgeMs: 30 * 60_000,
  staleAfterMs: 5 * 60_000,
  timeoutMs: 30_000,
  flushMs: 30_000,
  backoff: { baseMs: 50, capMs: 1_000 },
};

export interface TestWriter {
  readonly writer: RemoteWriter;
  /** The values of all `muster_telemetry_remote_write_*` without buckets, by what follows: `samples_dropped_total{reason="stopped"}`. */
  readonly counts: () => Promise<Readonly<Record<string, number>>>;
}

/** A started writer with its metrics. */
export function startWriter(
  options: Partial<RemoteWriteOptions> & { url: URL },
  { clock = systemClock, logger = silentLogger }: { clock?: Clock; logger?: Logger } = {},
): TestWriter {
  const metrics = createMetrics('telemetry');
  const context = { definitions: DEFINITIONS, clock, logger, metrics: createRemoteWriteMetrics(metrics) };
  const writer = new RemoteWriter({ ...OPTIONS, ...options }, context);
  writer.start();
  return {
    writer,
    counts: async () => {
      const text = await metrics.registry.metrics();
      const lines = text.matchAll(/^muster_telemetry_remote_write_(\S+) (\S+)$/gm);
      return Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value)]));
    },
  };
}
