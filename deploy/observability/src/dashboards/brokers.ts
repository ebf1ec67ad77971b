import * as units from '@grafana/grafana-foundation-sdk/units';
import type { DashboardSpec, RowSpec } from '../build/dashboard.js';
import { maxBy, ofEach, quantiles, rateBy, shareBy } from '../build/queries.js';

const nats: RowSpec = {
  title: 'NATS',
  panels: [
    {
      title: 'Connected',
      description: 'Share of services with a connection to NATS.',
      unit: units.PercentUnit,
      thresholds: { at: [1], falling: true },
      max: 1,
      queries: [{ expr: 'avg by (job) ({__name__=~"muster_.+_bus_connected",$m})', legend: '{{job}}' }],
      alert: 'MusterBrokerDisconnected',
    },
    {
      title: 'Round trip',
      description:
        'From a question to NATS to its answer (p95), with the wait behind what is sent already; asked every five seconds.',
      unit: units.Seconds,
      thresholds: { at: [0.1, 0.25] },
      queries: quantiles(ofEach('broker_round_trip_seconds'), [0.95], 'job'),
      alert: 'MusterBrokerSlow',
    },
    {
      title: 'Reconnects and questions without an answer',
      description: 'Any number: look at the network, then at the log of NATS.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy(ofEach('bus_reconnects_total'), 'job'), legend: 'reconnects {{job}}' },
        { ...rateBy(ofEach('broker_unanswered_total'), 'job'), legend: 'unanswered {{job}}' },
      ],
      alert: 'MusterBrokerReconnecting',
    },
    {
      title: 'Messages',
      description: 'Sent (out) and received (in).',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy(ofEach('bus_sent_messages_total'), 'job'), legend: 'out {{job}}' },
        { ...rateBy(ofEach('bus_received_messages_total'), 'job'), legend: 'in {{job}}' },
      ],
    },
    {
      title: 'Bytes',
      description: 'Sent (out) and received (in).',
      unit: units.BytesPerSecondIEC,
      queries: [
        { ...rateBy(ofEach('bus_sent_bytes_total'), 'job'), legend: 'out {{job}}' },
        { ...rateBy(ofEach('bus_received_bytes_total'), 'job'), legend: 'in {{job}}' },
      ],
    },
    {
      title: 'Messages lost, and handlers that failed',
      description:
        'Lost: the connection was away or the buffer full. A handler that fails is a bug; the log has the error.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy(ofEach('bus_dropped_messages_total'), 'job'), legend: 'lost {{job}}' },
        { ...rateBy(ofEach('bus_handler_errors_total'), 'job'), legend: 'failed {{job}}' },
      ],
      alert: 'MusterMessagesDropped',
    },
  ],
};

const storage: RowSpec = {
  title: 'Storage of NATS',
  panels: [
    {
      title: 'How full',
      description:
        'Share of its limit that JetStream has used; unknown where services were not told the limit (MUSTER_STORAGE_LIMIT).',
      unit: units.PercentUnit,
      max: 1,
      thresholds: { at: [0.8, 0.95] },
      queries: shareBy(ofEach('broker_storage_fill_ratio'), 'job'),
      alert: 'MusterStorageNearlyFull',
    },
    {
      title: 'Streams',
      description: 'What JetStream stores of each stream.',
      unit: units.BytesIEC,
      stacked: true,
      queries: [maxBy(ofEach('stream_bytes'), 'stream')],
      alert: 'MusterStorageNearlyFull',
    },
    {
      title: 'Streams and their bounds',
      description: 'Share of its bound that each stream has. At 1 it drops its oldest entries.',
      unit: units.PercentUnit,
      max: 1,
      thresholds: { at: [0.85] },
      queries: [maxBy(ofEach('stream_fill_ratio'), 'stream')],
      alert: 'MusterResultsNearlyFull',
    },
    {
      title: 'All that is stored',
      description: 'Of the account of the services, with streams of others.',
      unit: units.BytesIEC,
      queries: [maxBy(ofEach('broker_storage_bytes'), 'job')],
    },
  ],
};

const redis: RowSpec = {
  title: 'Redis',
  panels: [
    {
      title: 'Connected',
      description: 'Share of services that Redis answers.',
      unit: units.PercentUnit,
      thresholds: { at: [1], falling: true },
      max: 1,
      queries: [{ expr: 'avg by (job) ({__name__=~"muster_.+_registry_connected",$m})', legend: '{{job}}' }],
      alert: 'MusterRegistryUnavailable',
    },
    {
      title: 'Time of a command',
      description: 'From a command to Redis to its answer (p95).',
      unit: units.Seconds,
      thresholds: { at: [0.1, 0.25] },
      queries: quantiles(ofEach('registry_command_seconds'), [0.95], 'job'),
      alert: 'MusterRegistrySlow',
    },
    {
      title: 'Commands',
      description: 'Commands to Redis that were answered.',
      unit: units.CountsPerSecond,
      queries: [rateBy(ofEach('registry_command_seconds_count'), 'job')],
    },
    {
      title: 'Failures and reconnects',
      description: 'Meanwhile services work without Redis, by broadcast.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy(ofEach('registry_failures_total'), 'job'), legend: 'failed {{job}}' },
        { ...rateBy(ofEach('registry_reconnects_total'), 'job'), legend: 'reconnects {{job}}' },
        { ...rateBy('muster_api_presence_unavailable_total'), legend: 'presence unknown to the api' },
      ],
      alert: 'MusterRegistryUnavailable',
    },
    {
      title: 'How full',
      description:
        'Share of its limit that Redis has used; at 100 % no session is registered. Unknown where it has no limit.',
      unit: units.PercentUnit,
      max: 1,
      thresholds: { at: [0.8, 0.95] },
      queries: shareBy(ofEach('registry_memory_fill_ratio'), 'job'),
      alert: 'MusterRegistryNearlyFull',
    },
  ],
};

export const brokers: DashboardSpec = {
  name: 'brokers',
  title: 'Muster / Brokers',
  description: 'NATS and Redis as the services of Muster see them.',
  chooseBy: 'nodejs_version_info{job=~"muster-.+"}',
  rows: [nats, storage, redis],
};
