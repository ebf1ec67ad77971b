import * as units from '@grafana/grafana-foundation-sdk/units';
import type { DashboardSpec, RowSpec } from '../build/dashboard.js';
import { rateBy, sumBy } from '../build/queries.js';

const gateways: RowSpec = {
  title: 'At the gateways',
  panels: [
    {
      title: 'Samples',
      description:
        'Frames with samples that came. over: too many. off: not asked for any more. too_big and flood end the session.',
      unit: units.CountsPerSecond,
      queries: [rateBy('muster_gateway_metrics_samples_total', 'result')],
    },
    {
      title: 'Watched endpoints',
      description:
        'Endpoints that send a sample a second because somebody watches, and requests for history that they have yet to answer.',
      unit: units.Short,
      queries: [
        { ...sumBy('muster_gateway_metrics_watched_endpoints'), legend: 'watched' },
        { ...sumBy('muster_gateway_metrics_history_requests'), legend: 'history asked' },
      ],
    },
    {
      title: 'Frames to viewers, and histories',
      description: 'Frames that were sent to viewers; requests for history by result; watches that were not taken.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy('muster_gateway_metrics_watch_frames_total'), legend: 'frames' },
        { ...rateBy('muster_gateway_metrics_histories_total', 'result'), legend: 'history {{result}}' },
        { ...rateBy('muster_gateway_metrics_refused_watches_total', 'reason'), legend: 'refused {{reason}}' },
      ],
    },
    {
      title: 'Passed on',
      description: 'Messages to telemetry services. dropped: they were lost in the connection to NATS.',
      unit: units.CountsPerSecond,
      queries: [rateBy('muster_gateway_metrics_batches_total', 'result')],
      alert: 'MusterMessagesDropped',
    },
    {
      title: 'Dropped',
      description:
        'What was not passed on, by reason: NATS is away or slow (batch, watch, history, old, ended), or no memory (keyframe).',
      unit: units.CountsPerSecond,
      queries: [rateBy('muster_gateway_metrics_dropped_total', 'reason')],
      alert: 'MusterMessagesDropped',
    },
    {
      title: 'Keyframes',
      description: 'Memory for the last keyframe of each session, and the deltas that are kept with it.',
      unit: units.BytesIEC,
      queries: [
        { ...sumBy('muster_gateway_metrics_keyframe_bytes', 'instance'), legend: '{{instance}}' },
        { ...sumBy('muster_gateway_metrics_keyframes'), legend: 'sessions with one' },
      ],
    },
  ],
};

export const hostMetrics: DashboardSpec = {
  name: 'host-metrics',
  title: 'Muster / Host metrics',
  description: 'The way of samples from endpoints to telemetry services and viewers.',
  chooseBy: 'muster_gateway_metrics_keyframes',
  rows: [gateways],
};
