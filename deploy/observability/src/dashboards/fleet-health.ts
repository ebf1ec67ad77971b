import * as units from '@grafana/grafana-foundation-sdk/units';
import type { DashboardSpec, RowSpec } from '../build/dashboard.js';
import { maxBy, quantilesNow, rateBy, sumBy } from '../build/queries.js';

const CLOCK = 'muster_telemetry_endpoint_clock_offset_seconds_bucket';

const health: RowSpec = {
  title: 'Health',
  panels: [
    {
      title: 'Endpoints that measure',
      description: 'Endpoints whose newest sample a telemetry service holds.',
      unit: units.Short,
      single: true,
      queries: [sumBy('muster_telemetry_endpoints')],
    },
    {
      title: 'Critical',
      description: 'Endpoints that fail a rule of the health policy. muster health names them.',
      unit: units.Short,
      single: true,
      thresholds: { at: [1, 10] },
      queries: [sumBy('muster_telemetry_endpoint_health{state="critical"}')],
    },
    {
      title: 'Warning',
      description: 'Endpoints that are on their way there, or fell silent. muster health names them.',
      unit: units.Short,
      single: true,
      thresholds: { at: [1] },
      queries: [sumBy('muster_telemetry_endpoint_health{state="warning"}')],
    },
    {
      title: 'Not well',
      description: 'Share of the endpoints that measure which are not ok.',
      unit: units.PercentUnit,
      single: true,
      thresholds: { at: [0.02, 0.1] },
      queries: [
        {
          expr: 'sum(muster_telemetry_endpoint_health{$m,state!="ok"}) / sum(muster_telemetry_endpoint_health{$m})',
          legend: 'not well',
        },
      ],
    },
    {
      title: 'Partitions that are counted',
      description: 'Of 32. Fewer: a telemetry service is missing, and so are its endpoints. More: two count the same.',
      unit: units.Short,
      single: true,
      thresholds: { at: [32], falling: true },
      queries: [sumBy('muster_telemetry_partitions')],
      alert: 'MusterServiceDown',
    },
    {
      title: 'Clocks off by more than a minute',
      description: 'In either direction. The times in their logs and results are not to be trusted.',
      unit: units.Short,
      single: true,
      thresholds: { at: [1, 10] },
      queries: [
        {
          expr: `sum(${CLOCK}{$m,le="+Inf"}) - sum(${CLOCK}{$m,le="60"}) + sum(${CLOCK}{$m,le="-60"})`,
          legend: 'off',
        },
      ],
      alert: 'MusterClockSkew',
    },
    {
      title: 'Endpoints by health',
      description: 'By the rules of the health policy. One that lost its session stays as it was.',
      unit: units.Short,
      stacked: true,
      width: 12,
      queries: [sumBy('muster_telemetry_endpoint_health', 'state')],
    },
    {
      title: 'Changes of health',
      description: 'By the new state. Many at once: something that endpoints share is out of order.',
      unit: units.CountsPerSecond,
      width: 12,
      queries: [rateBy('muster_telemetry_health_events_total', 'state')],
      alert: 'MusterHealthNotKept',
    },
  ],
};

const how = (vital: string): string =>
  `Half of the endpoints have at most p50, one in a hundred has more than p99: ${vital}.`;

const fleet: RowSpec = {
  title: 'The fleet now',
  panels: [
    {
      title: 'Endpoints by operating system',
      description: 'Those that measure.',
      unit: units.Short,
      stacked: true,
      queries: [sumBy('muster_telemetry_endpoints', 'os')],
    },
    {
      title: 'CPU',
      description: how('the share of their processors in use'),
      unit: units.PercentUnit,
      max: 1,
      thresholds: { at: [0.8, 0.95] },
      queries: quantilesNow('muster_telemetry_endpoint_cpu_ratio'),
    },
    {
      title: 'Memory',
      description: how('the share of their memory in use'),
      unit: units.PercentUnit,
      max: 1,
      thresholds: { at: [0.9, 0.97] },
      queries: quantilesNow('muster_telemetry_endpoint_memory_ratio'),
    },
    {
      title: 'Fullest file system',
      description: how('how full their fullest file system is'),
      unit: units.PercentUnit,
      max: 1,
      thresholds: { at: [0.9, 0.97] },
      queries: quantilesNow('muster_telemetry_endpoint_disk_ratio'),
    },
    {
      title: 'Load for each processor',
      description: how('their load of one minute; above 1 programs wait for a processor'),
      unit: units.Short,
      thresholds: { at: [1, 4] },
      queries: quantilesNow('muster_telemetry_endpoint_load_ratio'),
    },
    {
      title: 'CPU by operating system (p90)',
      description: 'One in ten endpoints uses a larger share of its processors.',
      unit: units.PercentUnit,
      max: 1,
      queries: quantilesNow('muster_telemetry_endpoint_cpu_ratio', [0.9], 'os'),
    },
  ],
};

const services: RowSpec = {
  title: 'Telemetry services',
  panels: [
    {
      title: 'Endpoints by service',
      description: 'A partition belongs to one service. An uneven spread: a service has just started or stopped.',
      unit: units.Short,
      stacked: true,
      queries: [sumBy('muster_telemetry_endpoints', 'instance')],
      alert: 'MusterServiceDown',
    },
    {
      title: 'Partitions by service',
      description: 'Shared out evenly among the services, 32 in all.',
      unit: units.Short,
      stacked: true,
      queries: [sumBy('muster_telemetry_partitions', 'instance')],
      alert: 'MusterServiceDown',
    },
    {
      title: 'Services that know each other',
      description: 'Each must know all of them. Different numbers: some do not hear each other through NATS.',
      unit: units.Short,
      queries: [maxBy('muster_telemetry_live_services', 'instance')],
      alert: 'MusterBrokerDisconnected',
    },
    {
      title: 'Samples',
      description: 'Frames of endpoints by what became of them. All but keyframe, delta and processes were dropped.',
      unit: units.CountsPerSecond,
      queries: [
        rateBy('muster_telemetry_frames_total', 'result'),
        { ...rateBy('muster_telemetry_batches_total'), legend: 'messages of gateways' },
      ],
      alert: 'MusterTelemetryFull',
    },
    {
      title: 'Left out, and asked for again',
      description:
        'Values that cannot be right, by reason; keyframes that were asked for, by why; changes of health that NATS did not take.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy('muster_telemetry_values_dropped_total', 'reason'), legend: 'value {{reason}}' },
        { ...rateBy('muster_telemetry_keyframes_wanted_total', 'why'), legend: 'keyframe {{why}}' },
        { ...rateBy('muster_telemetry_health_write_failures_total'), legend: 'health not recorded' },
      ],
      alert: 'MusterMessagesDropped',
    },
    {
      title: 'Requests of the API',
      description: 'By kind and result. expired: nobody waited for the answer any more.',
      unit: units.RequestsPerSecond,
      queries: [rateBy('muster_telemetry_requests_total', 'kind', 'result')],
    },
    {
      title: 'Event loop lag (p99)',
      description: 'Above 100 ms add a telemetry service.',
      unit: units.Seconds,
      thresholds: { at: [0.05, 0.1] },
      queries: [maxBy('nodejs_eventloop_lag_p99_seconds', 'instance')],
      alert: 'MusterEventLoopLag',
    },
  ],
};

const remoteWrite: RowSpec = {
  title: 'Remote write',
  panels: [
    {
      title: 'Samples to the store',
      description: 'Written, and dropped by reason. Empty where no store is set.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy('muster_telemetry_remote_write_samples_sent_total'), legend: 'written' },
        { ...rateBy('muster_telemetry_remote_write_samples_dropped_total', 'reason'), legend: 'dropped {{reason}}' },
        {
          ...rateBy('muster_telemetry_remote_write_requests_failed_total', 'reason'),
          legend: 'request failed {{reason}}',
        },
      ],
      alert: 'MusterRemoteWriteDrops',
    },
    {
      title: 'What waits',
      description: 'Samples that wait for the store. Growing: it is away or too slow.',
      unit: units.Short,
      queries: [sumBy('muster_telemetry_remote_write_pending_samples', 'instance')],
    },
    {
      title: 'How far behind',
      description: 'How old the oldest sample is that waits. After half an hour samples are dropped.',
      unit: units.Seconds,
      thresholds: { at: [60, 900] },
      queries: [maxBy('muster_telemetry_remote_write_behind_seconds', 'instance')],
      alert: 'MusterRemoteWriteBehind',
    },
    {
      title: 'Series',
      description: 'Series of endpoints that a service writes; each takes some 210 bytes of its memory.',
      unit: units.Short,
      queries: [sumBy('muster_telemetry_remote_write_series', 'instance')],
    },
  ],
};

export const fleetHealth: DashboardSpec = {
  name: 'fleet-health',
  title: 'Muster / Fleet health',
  description: 'How endpoints fare, by what they measure, and whether all of them are counted.',
  chooseBy: 'muster_telemetry_partitions',
  rows: [health, fleet, services, remoteWrite],
};
