import * as units from '@grafana/grafana-foundation-sdk/units';
import type { DashboardSpec, RowSpec } from '../build/dashboard.js';
import { maxBy, ofEach, quantiles, rateBy, sumBy } from '../build/queries.js';

const processes: RowSpec = {
  title: 'Processes',
  panels: [
    {
      title: 'Up',
      description: 'Share of processes that answer Prometheus.',
      unit: units.PercentUnit,
      max: 1,
      thresholds: { at: [1], falling: true },
      queries: [{ expr: 'avg by (job) (up{$m})', legend: '{{job}}' }],
      alert: 'MusterServiceDown',
    },
    {
      title: 'Event loop lag (p99)',
      description: 'One turn in a hundred takes longer. Above 100 ms everything waits.',
      unit: units.Seconds,
      thresholds: { at: [0.05, 0.1] },
      queries: [maxBy('nodejs_eventloop_lag_p99_seconds', 'job', 'instance')],
      alert: 'MusterEventLoopLag',
    },
    {
      title: 'CPU',
      description: 'Cores in use.',
      unit: units.Short,
      queries: [rateBy('process_cpu_seconds_total', 'job', 'instance')],
    },
    {
      title: 'Memory',
      description: 'Resident memory.',
      unit: units.BytesIEC,
      queries: [sumBy('process_resident_memory_bytes', 'job', 'instance')],
    },
    {
      title: 'File descriptors',
      description: 'Share of the limit that is in use. Each connection takes one.',
      unit: units.PercentUnit,
      max: 1,
      thresholds: { at: [0.8, 0.9] },
      queries: [
        { expr: 'max by (job, instance) (process_open_fds{$m} / process_max_fds{$m})', legend: '{{job}} {{instance}}' },
      ],
      alert: 'MusterFileDescriptorsLow',
    },
    {
      title: 'Starts',
      description: 'Starts of a process within an hour, the first one not counted.',
      unit: units.Short,
      thresholds: { at: [1, 3] },
      queries: [
        {
          expr: 'max by (job, instance) (changes(process_start_time_seconds{$m}[1h]))',
          legend: '{{job}} {{instance}}',
        },
      ],
      alert: 'MusterServiceRestarting',
    },
    {
      title: 'Clock skew',
      description: 'Largest difference to the clock of a gateway or command service.',
      unit: units.Seconds,
      thresholds: { at: [1, 2] },
      queries: [maxBy(ofEach('clock_skew_seconds'), 'job', 'instance')],
      alert: 'MusterClockSkew',
    },
    {
      title: 'Certificates expire in',
      description: 'Time until the certificate that a process serves expires.',
      unit: units.Seconds,
      thresholds: { at: [14 * 86_400, 3 * 86_400], falling: true },
      queries: [
        {
          expr: 'min by (job, instance) ({__name__=~"muster_.+_certificate_expiry_timestamp_seconds",$m}) - time()',
          legend: '{{job}} {{instance}}',
        },
      ],
      alert: 'MusterCertificateExpires',
    },
    {
      title: 'Connections of the health port',
      description: 'Open ones by state, and those that were cut.',
      unit: units.Short,
      queries: [
        sumBy(ofEach('health_connections'), 'state'),
        { ...rateBy(ofEach('health_connections_cut_total'), 'why'), legend: 'cut {{why}} (a second)' },
      ],
    },
  ],
};

const api: RowSpec = {
  title: 'API',
  panels: [
    {
      title: 'Requests by status',
      description: 'Streams of events are not in it.',
      unit: units.RequestsPerSecond,
      stacked: true,
      queries: [rateBy('muster_api_request_duration_seconds_count', 'status_class')],
      alert: 'MusterApiAnswersBudgetBurn',
    },
    {
      title: 'Time of a request',
      description: 'Over all routes. Requests that wait for a result on purpose are in it.',
      unit: units.Seconds,
      queries: quantiles('muster_api_request_duration_seconds'),
    },
    {
      title: 'Event streams',
      description: 'Open ones by format, those that ended by how, and those that were refused by bound.',
      unit: units.Short,
      queries: [
        { ...sumBy('muster_api_viewers', 'format'), legend: 'open {{format}}' },
        { ...rateBy('muster_api_viewers_ended_total', 'how'), legend: '{{how}} (a second)' },
        { ...rateBy('muster_api_viewers_refused_total', 'bound'), legend: 'refused {{bound}} (a second)' },
      ],
    },
    {
      title: 'Refused requests',
      description: 'Credentials that were refused by reason, and limits.',
      unit: units.RequestsPerSecond,
      queries: [
        rateBy('muster_api_auth_failures_total', 'reason'),
        { ...rateBy('muster_api_rate_limited_total', 'limit'), legend: 'limit {{limit}}' },
      ],
      alert: 'MusterCredentialsGuessed',
    },
    {
      title: 'Connections',
      description: 'silent and asking: no valid credentials so far. Cut ones by why.',
      unit: units.Short,
      queries: [
        sumBy('muster_api_connections', 'state'),
        { ...rateBy('muster_api_connections_cut_total', 'why'), legend: 'cut {{why}} (a second)' },
      ],
    },
    {
      title: 'Webhooks',
      description: 'Events by how their delivery ended, and how many wait. dead: given up; dropped: too many waited.',
      unit: units.Short,
      queries: [
        { ...rateBy('muster_api_webhook_deliveries_total', 'state'), legend: '{{state}} (a second)' },
        { ...sumBy('muster_api_webhook_pending_deliveries'), legend: 'waiting' },
      ],
      alert: 'MusterWebhooksLost',
    },
    {
      title: 'Cleaning up',
      description: 'Identities that were removed, and queries that were found without a coordinator.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy('muster_api_identities_removed_total', 'why'), legend: 'identity {{why}}' },
        { ...rateBy('muster_api_orphaned_queries_total', 'result'), legend: 'orphan {{result}}' },
      ],
    },
  ],
};

const audit: RowSpec = {
  title: 'Audit',
  panels: [
    {
      title: 'Records lost',
      description: 'Any number: each of them is in the log of that process.',
      unit: units.CountsPerSecond,
      thresholds: { at: [0.0001] },
      queries: [rateBy(ofEach('audit_lost_total'), 'job')],
      alert: 'MusterAuditLost',
    },
    {
      title: 'Refusals that are only counted',
      description: 'There were too many of one actor to record each.',
      unit: units.CountsPerSecond,
      queries: [rateBy(ofEach('audit_suppressed_total'), 'job')],
      alert: 'MusterAuditSuppressed',
    },
  ],
};

export const services: DashboardSpec = {
  name: 'services',
  title: 'Muster / Services',
  description: 'Every process of Muster, the API, and the audit.',
  chooseBy: 'nodejs_version_info{job=~"muster-.+"}',
  rows: [processes, api, audit],
};
