import * as units from '@grafana/grafana-foundation-sdk/units';
import type { DashboardSpec, RowSpec } from '../build/dashboard.js';
import { maxBy, rateBy, sumBy } from '../build/queries.js';

const LOST = 'code=~"1006|1011|4003|4004|4005|4006"';

const overview: RowSpec = {
  title: 'Overview',
  panels: [
    {
      title: 'Sessions',
      description: 'Endpoints that are connected and ready, at all chosen gateways.',
      unit: units.Short,
      single: true,
      queries: [sumBy('muster_gateway_live_sessions')],
      alert: 'MusterSessionsDropped',
    },
    {
      title: 'Gateways up',
      description: 'Gateways that answer Prometheus, of all chosen ones.',
      unit: units.PercentUnit,
      single: true,
      thresholds: { at: [1, 0.8], falling: true },
      queries: [{ expr: 'avg(up{$m})', legend: 'up' }],
      alert: 'MusterGatewayDown',
    },
    {
      title: 'Sessions lost an hour, per 1,000',
      description:
        'Sessions that ended with a broken connection, or because the gateway failed, was fenced or gave the endpoint up.',
      unit: units.Short,
      single: true,
      thresholds: { at: [20, 100] },
      queries: [
        {
          expr: `3600000 * sum(rate(muster_gateway_closed_connections_total{$m,${LOST}}[$__rate_interval])) / sum(muster_gateway_live_sessions{$m})`,
          legend: 'lost',
        },
      ],
      alert: 'MusterSessionsKeptBudgetBurn',
    },
    {
      title: 'Identities',
      description: 'Endpoints that are enrolled, in all orgs.',
      unit: units.Short,
      single: true,
      queries: [maxBy('muster_gateway_identities', 'job')],
      alert: 'MusterEnrolmentSurge',
    },
    {
      title: 'Fences',
      description: 'How often a gateway stood still past its lease and gave up its sessions, within the time shown.',
      unit: units.Short,
      single: true,
      thresholds: { at: [1] },
      queries: [{ expr: 'sum(increase(muster_gateway_fences_total{$m}[$__range]))', legend: 'fences' }],
      alert: 'MusterGatewayFenced',
    },
    {
      title: 'Slowest event loop (p99)',
      description: 'One turn in a hundred of the slowest gateway takes longer. Above 100 ms add a gateway.',
      unit: units.Seconds,
      single: true,
      thresholds: { at: [0.05, 0.1] },
      queries: [{ expr: 'max(nodejs_eventloop_lag_p99_seconds{$m})', legend: 'p99' }],
      alert: 'MusterEventLoopLag',
    },
  ],
};

const sessions: RowSpec = {
  title: 'Sessions',
  panels: [
    {
      title: 'Sessions by gateway',
      description: 'An uneven spread: the balancer does not use least connections, or a gateway has just started.',
      unit: units.Short,
      stacked: true,
      queries: [sumBy('muster_gateway_live_sessions', 'instance')],
      alert: 'MusterSessionsDropped',
    },
    {
      title: 'Sessions by channel',
      description: 'Mean number of sessions over Live and over Poll.',
      unit: units.Short,
      stacked: true,
      queries: [rateBy('muster_gateway_session_seconds_total', 'channel')],
      alert: 'MusterFallbacks',
    },
    {
      title: 'Open connections',
      description:
        'With those whose agents have not proven who they are. Far above the sessions: somebody holds connections open.',
      unit: units.Short,
      queries: [sumBy('muster_gateway_open_connections', 'instance')],
      alert: 'MusterGatewayFull',
    },
    {
      title: 'Hellos by result',
      description: 'ready: a session began. duplicate: machines with one identity (clones).',
      unit: units.CountsPerSecond,
      queries: [rateBy('muster_gateway_hellos_total', 'result')],
    },
    {
      title: 'Closed connections by code',
      description:
        'docs/protocol.md has the codes. 1006: broken; 4002: no hello; 4004: fenced; 4005: the agent does not read; 4006: silent.',
      unit: units.CountsPerSecond,
      queries: [rateBy('muster_gateway_closed_connections_total', 'code')],
      alert: 'MusterSessionsKeptBudgetBurn',
    },
    {
      title: 'Channel changes',
      description:
        'Assignments of a channel, sessions over another channel than the assigned one, and what became of the records of that.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy('muster_gateway_mode_assignments_total', 'mode'), legend: 'assigned {{mode}}' },
        { ...rateBy('muster_gateway_fallbacks_total', 'mode'), legend: 'fell back to {{mode}}' },
        { ...rateBy('muster_gateway_fallback_records_total', 'result'), legend: 'record {{result}}' },
      ],
      alert: 'MusterFallbacks',
    },
  ],
};

const admission: RowSpec = {
  title: 'Admission and enrolment',
  panels: [
    {
      title: 'Upgrades by result',
      description:
        'Requests for a WebSocket. full and rate: no room. bad_signature and unproven_rate: somebody tries tokens.',
      unit: units.RequestsPerSecond,
      queries: [rateBy('muster_gateway_upgrades_total', 'result')],
      alert: 'MusterGatewayFull',
    },
    {
      title: 'Polls by result',
      description: 'Openings and requests of poll sessions, and polls passed on to the gateway that holds the session.',
      unit: units.RequestsPerSecond,
      queries: [
        { ...rateBy('muster_gateway_poll_openings_total', 'result'), legend: 'opening {{result}}' },
        { ...rateBy('muster_gateway_poll_requests_total', 'result'), legend: 'request {{result}}' },
        { ...rateBy('muster_gateway_polls_relayed_total', 'result'), legend: 'relayed {{result}}' },
      ],
    },
    {
      title: 'Enrolments',
      description: 'By HTTP status, and refusals by reason.',
      unit: units.RequestsPerSecond,
      queries: [
        rateBy('muster_gateway_enrolments_total', 'status'),
        { ...rateBy('muster_gateway_enrolment_refusals_total', 'reason'), legend: 'refused {{reason}}' },
      ],
      alert: 'MusterEnrolmentRefused',
    },
    {
      title: 'Room for identities',
      description: 'How full the fullest org and the fullest enrolment secret are. At 100 % nothing more enrols.',
      unit: units.PercentUnit,
      max: 1,
      thresholds: { at: [0.8, 0.95] },
      queries: [maxBy('muster_gateway_enrolment_fill_ratio', 'bound')],
      alert: 'MusterEnrolmentNearlyFull',
    },
    {
      title: 'Leases',
      description:
        'Renewals by result. Anything but renewed: Redis is away, or the gateway does not hear itself through NATS.',
      unit: units.CountsPerSecond,
      queries: [rateBy('muster_gateway_lease_renewals_total', 'result')],
      alert: 'MusterLeaseFlapping',
    },
    {
      title: 'Gateways found dead',
      description: 'By query services: no_responders (nothing listens) or silent.',
      unit: units.CountsPerSecond,
      queries: [
        {
          expr: 'sum by (sign) (rate(muster_query_gateways_dead_total{job=~".+",instance=~".+"}[$__rate_interval]))',
          legend: '{{sign}}',
        },
      ],
      alert: 'MusterGatewayLost',
    },
  ],
};

const bytes: RowSpec = {
  title: 'Bytes on the wire',
  panels: [
    {
      title: 'Frames by purpose',
      description: 'Bytes of frames in both directions.',
      unit: units.BytesPerSecondIEC,
      stacked: true,
      queries: [rateBy('muster_gateway_frame_bytes_total', 'channel', 'purpose')],
    },
    {
      title: 'Cost of an endpoint in a minute',
      description: 'Bytes of frames of one endpoint by channel. docs/bandwidth.md says what to expect.',
      unit: units.BytesIEC,
      queries: [
        {
          expr: '60 * sum by (channel) (rate(muster_gateway_frame_bytes_total{$m,channel!="enrol"}[$__rate_interval])) / sum by (channel) (rate(muster_gateway_session_seconds_total{$m}[$__rate_interval]))',
          legend: '{{channel}}',
        },
      ],
    },
    {
      title: 'TCP payload of the agents’ port',
      description: 'TLS and HTTP with it, from the kernel. Ends that were missed make it too low.',
      unit: units.BytesPerSecondIEC,
      queries: [
        rateBy('muster_gateway_socket_bytes_total', 'direction'),
        { ...rateBy('muster_gateway_socket_ends_missed_total'), legend: 'ends missed (a second)' },
      ],
    },
  ],
};

const load: RowSpec = {
  title: 'Load',
  panels: [
    {
      title: 'Event loop lag (p99)',
      description: 'Above 100 ms on a gateway: add one.',
      unit: units.Seconds,
      thresholds: { at: [0.05, 0.1] },
      queries: [maxBy('nodejs_eventloop_lag_p99_seconds', 'instance')],
      alert: 'MusterEventLoopLag',
    },
    {
      title: 'CPU',
      description: 'Cores in use. A gateway uses one for its sockets.',
      unit: units.Short,
      queries: [rateBy('process_cpu_seconds_total', 'instance')],
    },
    {
      title: 'Memory',
      description: 'Resident memory.',
      unit: units.BytesIEC,
      queries: [sumBy('process_resident_memory_bytes', 'instance')],
    },
  ],
};

export const gateways: DashboardSpec = {
  name: 'gateways',
  title: 'Muster / Gateways',
  description: 'Sessions of endpoints, who is let in, leases, and bytes on the wire.',
  chooseBy: 'muster_gateway_live_sessions',
  rows: [overview, sessions, admission, bytes, load],
};
