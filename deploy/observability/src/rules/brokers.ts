import type { RuleGroup } from '../build/rule.js';

const query = 'job="muster-query",instance="a"';
const fill = (what: string): string => `max by (job, instance) ({__name__=~"muster_.+_${what}"})`;
const p95 = (what: string): string =>
  `histogram_quantile(0.95, sum by (job, instance, le) (rate({__name__=~"muster_.+_${what}_bucket"}[5m])))`;
const latencies = (what: string, slow: boolean): Record<string, string> => ({
  [`muster_query_${what}_bucket{${query},le="0.25"}`]: slow ? '0+5x20' : '0+12x20',
  [`muster_query_${what}_bucket{${query},le="0.5"}`]: '0+12x20',
  [`muster_query_${what}_bucket{${query},le="+Inf"}`]: '0+12x20',
});

/** NATS and Redis as the services see them. */
export const brokers: RuleGroup = {
  name: 'brokers',
  rules: [
    {
      alert: 'MusterBrokerDisconnected',
      expr: 'max by (job, instance) ({__name__=~"muster_.+_bus_connected"}) == 0',
      for: '1m',
      severity: 'critical',
      summary: 'A service has no connection to NATS.',
      description: '{{ $labels.job }} {{ $labels.instance }} has no connection to NATS.',
      fires: { series: { [`muster_query_bus_connected{${query}}`]: '1x3 0x5' }, at: '6m' },
      quiet: { series: { [`muster_query_bus_connected{${query}}`]: '1x3 0 1x5' }, at: '6m' },
    },
    {
      alert: 'MusterBrokerReconnecting',
      expr: 'sum by (job, instance) (increase({__name__=~"muster_.+_bus_reconnects_total"}[15m])) >= 3',
      severity: 'warning',
      summary: 'A service loses its connection to NATS again and again.',
      description:
        '{{ $labels.job }} {{ $labels.instance }} connected to NATS again {{ $value | humanize }} times within 15 minutes.',
      fires: { series: { [`muster_query_bus_reconnects_total{${query}}`]: '0+1x15' }, at: '15m' },
      quiet: { series: { [`muster_query_bus_reconnects_total{${query}}`]: '0x5 1x10' }, at: '15m' },
    },
    {
      alert: 'MusterBrokerSlow',
      expr: `${p95('broker_round_trip_seconds')} > 0.25`,
      for: '5m',
      severity: 'warning',
      summary: 'NATS answers slowly.',
      description:
        'One answer in twenty from NATS to {{ $labels.job }} {{ $labels.instance }} takes {{ $value | humanizeDuration }}.',
      fires: { series: latencies('broker_round_trip_seconds', true), at: '12m' },
      quiet: { series: latencies('broker_round_trip_seconds', false), at: '12m' },
    },
    {
      alert: 'MusterBrokerUnanswered',
      expr: 'sum by (job, instance) (increase({__name__=~"muster_.+_broker_unanswered_total"}[5m])) >= 3',
      severity: 'warning',
      summary: 'NATS does not answer.',
      description:
        'NATS left {{ $value | humanize }} questions of {{ $labels.job }} {{ $labels.instance }} unanswered within five minutes.',
      fires: { series: { [`muster_query_broker_unanswered_total{${query}}`]: '0+2x10' }, at: '8m' },
      quiet: { series: { [`muster_query_broker_unanswered_total{${query}}`]: '0x5 1x5' }, at: '8m' },
    },
    {
      alert: 'MusterMessagesDropped',
      expr: 'sum by (job, instance) (increase({__name__=~"muster_.+_bus_dropped_messages_total"}[10m])) > 0',
      severity: 'warning',
      summary: 'Messages to NATS were lost.',
      description: '{{ $labels.job }} {{ $labels.instance }} lost {{ $value | humanize }} messages within ten minutes.',
      fires: { series: { [`muster_query_bus_dropped_messages_total{${query}}`]: '0x5 7x5' }, at: '8m' },
      quiet: { series: { [`muster_query_bus_dropped_messages_total{${query}}`]: '7x20' }, at: '15m' },
    },
    {
      alert: 'MusterHandlerErrors',
      expr: 'sum by (job, instance) (increase({__name__=~"muster_.+_bus_handler_errors_total"}[15m])) > 0',
      severity: 'warning',
      summary: 'A service failed to handle messages.',
      description:
        '{{ $labels.job }} {{ $labels.instance }} failed to handle {{ $value | humanize }} messages within 15 minutes.',
      fires: { series: { [`muster_query_bus_handler_errors_total{${query}}`]: '0x5 1x5' }, at: '8m' },
      quiet: { series: { [`muster_query_bus_handler_errors_total{${query}}`]: '1x20' }, at: '18m' },
    },
    {
      alert: 'MusterRegistryUnavailable',
      expr: 'max by (job, instance) ({__name__=~"muster_.+_registry_connected"}) == 0',
      for: '2m',
      severity: 'warning',
      summary: 'Redis does not answer a service.',
      description: 'Redis does not answer {{ $labels.job }} {{ $labels.instance }}.',
      fires: { series: { [`muster_query_registry_connected{${query}}`]: '1x3 0x5' }, at: '7m' },
      quiet: { series: { [`muster_query_registry_connected{${query}}`]: '1x3 0x1 1x5' }, at: '7m' },
    },
    {
      alert: 'MusterRegistrySlow',
      expr: `${p95('registry_command_seconds')} > 0.25`,
      for: '5m',
      severity: 'warning',
      summary: 'Redis answers slowly.',
      description:
        'One answer in twenty from Redis to {{ $labels.job }} {{ $labels.instance }} takes {{ $value | humanizeDuration }}.',
      fires: { series: latencies('registry_command_seconds', true), at: '12m' },
      quiet: { series: latencies('registry_command_seconds', false), at: '12m' },
    },
    {
      alert: 'MusterStorageNearlyFull',
      expr: `${fill('broker_storage_fill_ratio')} > 0.8`,
      for: '5m',
      severity: 'warning',
      summary: 'The storage of NATS is nearly full.',
      description: 'JetStream has used {{ $value | humanizePercentage }} of what it may store.',
      fires: { series: { [`muster_query_broker_storage_fill_ratio{${query}}`]: '0.85x10' }, at: '6m' },
      quiet: { series: { [`muster_query_broker_storage_fill_ratio{${query}}`]: '0.75x10' }, at: '10m' },
    },
    {
      alert: 'MusterStorageNearlyFull',
      expr: `${fill('broker_storage_fill_ratio')} > 0.95`,
      for: '1m',
      severity: 'critical',
      summary: 'The storage of NATS is full.',
      description:
        'JetStream has used {{ $value | humanizePercentage }} of what it may store, and takes nothing new soon.',
      fires: { series: { [`muster_query_broker_storage_fill_ratio{${query}}`]: '0.97x10' }, at: '3m' },
      quiet: { series: { [`muster_query_broker_storage_fill_ratio{${query}}`]: '0.9x10' }, at: '10m' },
    },
    {
      alert: 'MusterResultsNearlyFull',
      expr: `max ({__name__=~"muster_.+_stream_fill_ratio",stream="MUSTER_RESULTS"}) > 0.85`,
      for: '5m',
      severity: 'warning',
      summary: 'Results of queries are dropped soon, before their time.',
      description:
        'The stream of results has {{ $value | humanizePercentage }} of its bound. At 100 % it drops the oldest results of all orgs, whatever their policy says.',
      fires: { series: { [`muster_query_stream_fill_ratio{${query},stream="MUSTER_RESULTS"}`]: '0.9x10' }, at: '6m' },
      quiet: {
        series: {
          [`muster_query_stream_fill_ratio{${query},stream="MUSTER_RESULTS"}`]: '0.8x10',
          [`muster_query_stream_fill_ratio{${query},stream="MUSTER_SCANS"}`]: '0.9x10',
        },
        at: '10m',
      },
    },
    {
      alert: 'MusterRegistryNearlyFull',
      expr: `${fill('registry_memory_fill_ratio')} > 0.8`,
      for: '5m',
      severity: 'warning',
      summary: 'The memory of Redis is nearly full.',
      description:
        'Redis has used {{ $value | humanizePercentage }} of its memory. When it is full no session is registered.',
      fires: { series: { [`muster_query_registry_memory_fill_ratio{${query}}`]: '0.9x10' }, at: '6m' },
      quiet: { series: { [`muster_query_registry_memory_fill_ratio{${query}}`]: '0.7x10' }, at: '10m' },
    },
  ],
};
