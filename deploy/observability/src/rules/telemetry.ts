import type { RuleGroup } from '../build/rule.js';

const frames = (result: string): string =>
  `muster_telemetry_frames_total{job="muster-telemetry",instance="a",result="${result}"}`;
const failures = 'muster_telemetry_health_write_failures_total{job="muster-telemetry",instance="a"}';
const dropped = (reason: string): string =>
  `muster_telemetry_remote_write_samples_dropped_total{job="muster-telemetry",instance="a",reason="${reason}"}`;
const behind = 'muster_telemetry_remote_write_behind_seconds{job="muster-telemetry",instance="a"}';

/** Host metrics that are not taken, kept or passed on. */
export const telemetry: RuleGroup = {
  name: 'telemetry',
  rules: [
    {
      alert: 'MusterTelemetryFull',
      expr: 'sum by (instance, result) (increase(muster_telemetry_frames_total{result=~"too_many_endpoints|no_room"}[15m])) > 0',
      severity: 'warning',
      summary: 'A telemetry service has no room for samples of endpoints.',
      description:
        '{{ $value | humanize }} samples at {{ $labels.instance }} were dropped in 15 minutes: {{ $labels.result }}.',
      fires: { series: { [frames('no_room')]: '0x10 5x20' }, at: '15m' },
      quiet: { series: { [frames('no_room')]: '5x60', [frames('stale_session')]: '0+5x60' }, at: '30m' },
    },
    {
      alert: 'MusterHealthNotKept',
      expr: 'sum by (instance) (increase(muster_telemetry_health_write_failures_total[5m])) > 0',
      for: '10m',
      severity: 'warning',
      summary: 'Changes of health are not stored.',
      description:
        'NATS refused changes of health of {{ $labels.instance }} {{ $value | humanize }} times in five minutes.',
      fires: { series: { [failures]: '0+10x60' }, at: '20m' },
      quiet: { series: { [failures]: '0+10x8 80x50' }, at: '20m' },
    },
    {
      alert: 'MusterRemoteWriteDrops',
      expr: 'sum by (instance, reason) (increase(muster_telemetry_remote_write_samples_dropped_total{reason!~"out_of_order|stopped"}[15m])) > 0',
      severity: 'warning',
      summary: 'Samples of endpoints do not reach the store of remote write.',
      description:
        '{{ $value | humanize }} samples at {{ $labels.instance }} were dropped in 15 minutes: {{ $labels.reason }}.',
      fires: { series: { [dropped('queue_full')]: '0x10 500x20' }, at: '15m' },
      quiet: { series: { [dropped('queue_full')]: '500x60', [dropped('out_of_order')]: '0+5x60' }, at: '30m' },
    },
    {
      alert: 'MusterRemoteWriteBehind',
      expr: 'max by (instance) (muster_telemetry_remote_write_behind_seconds) > 300',
      for: '5m',
      severity: 'warning',
      summary: 'The store of remote write is away, or too slow.',
      description: '{{ $labels.instance }} is behind by {{ $value | humanizeDuration }}.',
      fires: { series: { [behind]: '0+60x60' }, at: '15m' },
      quiet: { series: { [behind]: '200x60' }, at: '30m' },
    },
  ],
};
