import type { RuleGroup } from '../build/rule.js';

const DAY = 86_400;
const expiry = (days: number): string =>
  `min by (job, instance) ({__name__=~"muster_.+_certificate_expiry_timestamp_seconds"}) - time() < ${days * DAY}`;
const certificate = (days: number): Record<string, string> => ({
  'muster_gateway_certificate_expiry_timestamp_seconds{job="muster-gateway",instance="a"}': `${days * DAY}x60`,
});

const notReread = (values: string): Record<string, string> => ({
  'muster_gateway_secret_reloads_total{job="muster-gateway",instance="a",setting="MUSTER_ENROLL_SECRETS",result="failed"}':
    values,
});

/** What every service has: a process with an event loop, a clock, perhaps a certificate. */
export const services: RuleGroup = {
  name: 'services',
  rules: [
    {
      alert: 'MusterServiceDown',
      expr: 'up{job=~"muster-(query|command|telemetry|posture|api).*"} == 0',
      for: '1m',
      severity: 'critical',
      summary: 'A service of Muster does not answer Prometheus.',
      description: '{{ $labels.job }} {{ $labels.instance }} has not answered for more than a minute.',
      fires: { series: { 'up{job="muster-query",instance="a"}': '1x3 0x5' }, at: '6m' },
      quiet: { series: { 'up{job="muster-query",instance="a"}': '1x3 0 1x5' }, at: '6m' },
    },
    {
      alert: 'MusterServiceRestarting',
      expr: 'changes(process_start_time_seconds{job=~"muster-.*"}[30m]) > 2',
      severity: 'warning',
      summary: 'A service of Muster starts again and again.',
      description: '{{ $labels.job }} {{ $labels.instance }} started {{ $value }} times within 30 minutes.',
      fires: { series: { 'process_start_time_seconds{job="muster-api",instance="a"}': '1x3 2x3 3x3 4x3' }, at: '14m' },
      quiet: { series: { 'process_start_time_seconds{job="muster-api",instance="a"}': '1x3 2x3 3x8' }, at: '14m' },
    },
    {
      alert: 'MusterEventLoopLag',
      expr: 'nodejs_eventloop_lag_p99_seconds{job=~"muster-.*"} > 0.1',
      for: '5m',
      severity: 'warning',
      summary: 'The event loop of a service is slow.',
      description:
        'One turn in a hundred of {{ $labels.job }} {{ $labels.instance }} takes {{ $value | humanizeDuration }}.',
      fires: { series: { 'nodejs_eventloop_lag_p99_seconds{job="muster-gateway",instance="a"}': '0.2x10' }, at: '6m' },
      quiet: {
        series: { 'nodejs_eventloop_lag_p99_seconds{job="muster-gateway",instance="a"}': '0.2x3 0.02x7' },
        at: '8m',
      },
    },
    {
      alert: 'MusterFileDescriptorsLow',
      expr: 'process_open_fds{job=~"muster-.*"} / process_max_fds{job=~"muster-.*"} > 0.9',
      for: '10m',
      severity: 'warning',
      summary: 'A service has nearly used up its file descriptors.',
      description:
        '{{ $labels.job }} {{ $labels.instance }} uses {{ $value | humanizePercentage }} of its file descriptors.',
      fires: {
        series: {
          'process_open_fds{job="muster-gateway",instance="a"}': '950x15',
          'process_max_fds{job="muster-gateway",instance="a"}': '1000x15',
        },
        at: '11m',
      },
      quiet: {
        series: {
          'process_open_fds{job="muster-gateway",instance="a"}': '850x15',
          'process_max_fds{job="muster-gateway",instance="a"}': '1000x15',
        },
        at: '15m',
      },
    },
    {
      alert: 'MusterClockSkew',
      expr: 'max by (job, instance) ({__name__=~"muster_.+_clock_skew_seconds"}) > 2',
      for: '2m',
      severity: 'warning',
      summary: 'The clocks of services differ.',
      description:
        'The clock of a gateway or command service and that of {{ $labels.job }} {{ $labels.instance }} differ by {{ $value | humanizeDuration }}.',
      fires: { series: { 'muster_query_clock_skew_seconds{job="muster-query",instance="a"}': '5x10' }, at: '3m' },
      quiet: { series: { 'muster_query_clock_skew_seconds{job="muster-query",instance="a"}': '1.5x10' }, at: '10m' },
    },
    {
      alert: 'MusterCertificateExpires',
      expr: expiry(14),
      severity: 'warning',
      summary: 'A certificate expires within two weeks.',
      description:
        'The certificate of {{ $labels.job }} {{ $labels.instance }} expires in {{ $value | humanizeDuration }}.',
      fires: { series: certificate(13), at: '1m' },
      quiet: { series: certificate(15), at: '1m' },
    },
    {
      alert: 'MusterCertificateExpires',
      expr: expiry(3),
      severity: 'critical',
      summary: 'A certificate expires within three days.',
      description:
        'The certificate of {{ $labels.job }} {{ $labels.instance }} expires in {{ $value | humanizeDuration }}.',
      fires: { series: certificate(2), at: '1m' },
      quiet: { series: certificate(4), at: '1m' },
    },
    {
      alert: 'MusterCertificateNotReread',
      expr: 'sum by (job, instance) (increase({__name__=~"muster_.+_certificate_reloads_total",result="failed"}[5m])) > 0',
      for: '10m',
      severity: 'warning',
      summary: 'The files of a certificate have changed, and what is in them cannot be used.',
      description: '{{ $labels.job }} {{ $labels.instance }} goes on with the certificate that it had.',
      fires: {
        series: {
          'muster_gateway_certificate_reloads_total{job="muster-gateway",instance="a",result="failed"}': '0x2 12+12x20',
        },
        at: '20m',
      },
      quiet: {
        series: {
          'muster_gateway_certificate_reloads_total{job="muster-gateway",instance="a",result="failed"}': '0x2 1x20',
        },
        at: '20m',
      },
    },
    {
      alert: 'MusterSecretNotReread',
      expr: 'sum by (job, instance, setting) (increase({__name__=~"muster_.+_secret_reloads_total",result="failed"}[5m])) > 0',
      for: '10m',
      severity: 'warning',
      summary: 'The file of a key or secret has changed, and what is in it cannot be used.',
      description:
        '{{ $labels.job }} {{ $labels.instance }} goes on with what it had read before from the file of {{ $labels.setting }}.',
      fires: { series: notReread('0x2 12+12x20'), at: '20m' },
      quiet: { series: notReread('0x2 1x20'), at: '20m' },
    },
  ],
};
