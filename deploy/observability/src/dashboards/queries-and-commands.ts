import * as units from '@grafana/grafana-foundation-sdk/units';
import type { DashboardSpec, RowSpec } from '../build/dashboard.js';
import { maxBy, quantiles, rateBy, sumBy } from '../build/queries.js';

const queries: RowSpec = {
  title: 'Queries',
  panels: [
    {
      title: 'Running queries',
      description: 'By the query service that coordinates them.',
      unit: units.Short,
      stacked: true,
      queries: [sumBy('muster_query_running_queries', 'instance')],
    },
    {
      title: 'Ended queries by state',
      description:
        'complete, cancelled, interrupted (its service stopped), lost (its results could not be stored), fenced (another service ended it).',
      unit: units.CountsPerSecond,
      queries: [rateBy('muster_query_ended_total', 'state')],
      alert: 'MusterQueriesInterrupted',
    },
    {
      title: 'Endpoints by outcome',
      description: 'Of ended queries. timed_out, disconnected and unreachable are endpoints that gave no answer.',
      unit: units.CountsPerSecond,
      stacked: true,
      queries: [rateBy('muster_query_endpoints_total', 'outcome')],
      alert: 'MusterQueriesIncomplete',
    },
    {
      title: 'Time to the first answer',
      description: 'From the broadcast of a query to the first update with an answer.',
      unit: units.Seconds,
      thresholds: { at: [0.5, 1] },
      queries: quantiles('muster_query_first_rows_seconds'),
      alert: 'MusterFirstRowsBudgetBurn',
    },
    {
      title: 'Time to complete',
      description: 'From the broadcast of a query to its end in the result stream.',
      unit: units.Seconds,
      thresholds: { at: [5, 10] },
      queries: quantiles('muster_query_duration_seconds'),
      alert: 'MusterQueryDurationBudgetBurn',
    },
    {
      title: 'Requests to the query service',
      description: 'By kind and result: ok, an error code, or expired (nobody waited any more).',
      unit: units.RequestsPerSecond,
      queries: [rateBy('muster_query_requests_total', 'kind', 'result')],
    },
    {
      title: 'Reduce statements',
      description: 'By result, and how long they take.',
      unit: units.Seconds,
      queries: [
        { ...rateBy('muster_query_reductions_total', 'result'), legend: '{{result}} (a second)' },
        ...quantiles('muster_query_reduction_seconds', [0.95]),
      ],
    },
    {
      title: 'Results stored',
      description:
        'Events of the result stream by kind, and appends that were repeated because NATS did not take them.',
      unit: units.CountsPerSecond,
      queries: [
        rateBy('muster_query_result_events_total', 'kind'),
        { ...rateBy('muster_query_result_retries_total'), legend: 'repeated' },
      ],
      alert: 'MusterResultsNotStored',
    },
    {
      title: 'Bytes of results',
      description: 'From gateways to query services, and into the result stream.',
      unit: units.BytesPerSecondIEC,
      queries: [
        { ...rateBy('muster_gateway_query_update_bytes_total'), legend: 'from gateways' },
        { ...rateBy('muster_query_result_bytes_total'), legend: 'stored' },
      ],
    },
    {
      title: 'Queries at gateways',
      description: 'Queries that gateways work on, and sessions that were asked.',
      unit: units.Short,
      queries: [
        { ...sumBy('muster_gateway_active_queries'), legend: 'active, over gateways' },
        { ...rateBy('muster_gateway_asked_sessions_total'), legend: 'sessions asked a second' },
      ],
    },
    {
      title: 'Updates of gateways',
      description: 'As gateways sent them and as query services took them. dropped and lost: answers are missing.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy('muster_gateway_query_updates_total', 'result'), legend: 'gateway: {{result}}' },
        { ...rateBy('muster_query_gateway_updates_total', 'result'), legend: 'query: {{result}}' },
        { ...rateBy('muster_query_gateway_updates_lost_total'), legend: 'lost' },
      ],
      alert: 'MusterAnswersLost',
    },
    {
      title: 'What cuts queries short',
      description: 'Truncated results, gateways found dead, and queries that another process had to end.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy('muster_query_truncated_total'), legend: 'truncated' },
        { ...rateBy('muster_query_gateways_dead_total', 'sign'), legend: 'gateway {{sign}}' },
        { ...rateBy('muster_query_fenced_total'), legend: 'ended by another process' },
        { ...rateBy('muster_query_orphans_total', 'result'), legend: 'orphan {{result}}' },
      ],
      alert: 'MusterQueriesTruncated',
    },
  ],
};

const commands: RowSpec = {
  title: 'Commands',
  panels: [
    {
      title: 'Open commands',
      description: 'As each service knows them, and those that should have ended.',
      unit: units.Short,
      queries: [
        { ...maxBy('muster_command_open_commands', 'instance'), legend: 'open {{instance}}' },
        { ...maxBy('muster_command_overdue_commands', 'instance'), legend: 'overdue {{instance}}' },
      ],
      alert: 'MusterCommandsOverdue',
    },
    {
      title: 'Reconciled commands',
      description: 'Open commands by the service that brings them to their end, and those it took over from others.',
      unit: units.Short,
      stacked: true,
      queries: [
        sumBy('muster_command_reconciled_commands', 'instance'),
        { ...rateBy('muster_command_takeovers_total'), legend: 'taken over a second' },
      ],
      alert: 'MusterCommandServicesDisagree',
    },
    {
      title: 'Live command services',
      description: 'As each of them sees it. They have to agree.',
      unit: units.Short,
      queries: [maxBy('muster_command_live_services', 'instance')],
      alert: 'MusterCommandServicesDisagree',
    },
    {
      title: 'Requests to the command service',
      description: 'By kind and result.',
      unit: units.RequestsPerSecond,
      queries: [rateBy('muster_command_requests_total', 'kind', 'result')],
    },
    {
      title: 'Time of a request',
      description: 'From a request to its reply; every command waits for the journal.',
      unit: units.Seconds,
      queries: quantiles('muster_command_request_seconds', [0.5, 0.95], 'kind'),
    },
    {
      title: 'Ended commands',
      description: 'in_time, or late: a minute or more after their latest end.',
      unit: units.CountsPerSecond,
      queries: [rateBy('muster_command_ended_total', 'when')],
      alert: 'MusterCommandEndsBudgetBurn',
    },
    {
      title: 'Settled targets by state',
      description: 'One for each endpoint of a command.',
      unit: units.CountsPerSecond,
      stacked: true,
      queries: [rateBy('muster_command_targets_settled_total', 'state')],
    },
    {
      title: 'Deliveries',
      description: 'broadcast: Redis is away. missing: stale routes. dropped: agents do not read.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy('muster_command_deliveries_total', 'route'), legend: 'sent by {{route}}' },
        { ...rateBy('muster_gateway_command_deliveries_total', 'result'), legend: 'gateway: {{result}}' },
        {
          ...rateBy('muster_gateway_command_announcements_total', 'of', 'result'),
          legend: 'announced {{of}}: {{result}}',
        },
      ],
      alert: 'MusterDeliveriesDropped',
    },
    {
      title: 'Cancellations',
      description: 'Targets that services sent, and those that gateways passed to an endpoint.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy('muster_command_cancels_total'), legend: 'sent' },
        { ...rateBy('muster_gateway_command_cancels_total'), legend: 'passed on' },
      ],
    },
    {
      title: 'Reports of endpoints',
      description:
        'At gateways, and what became of them at the command service. unauthentic and rejected: investigate.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy('muster_gateway_command_reports_total', 'result'), legend: 'gateway: {{result}}' },
        { ...rateBy('muster_command_reports_total', 'result'), legend: 'service: {{result}}' },
        { ...rateBy('muster_gateway_command_reports_kept_total'), legend: 'acknowledged to endpoints' },
        { ...rateBy('muster_gateway_command_floods_total'), legend: 'sessions closed for a flood' },
      ],
      alert: 'MusterReportsForged',
    },
  ],
};

const journal: RowSpec = {
  title: 'Journal',
  panels: [
    {
      title: 'Entries by kind',
      description: 'Entries that were written, and those that were given up.',
      unit: units.CountsPerSecond,
      queries: [
        rateBy('muster_command_journal_entries_total', 'kind'),
        { ...rateBy('muster_command_journal_failures_total'), legend: 'given up' },
        { ...rateBy('muster_command_journal_unreadable_total'), legend: 'unreadable' },
      ],
      alert: 'MusterJournalFailing',
    },
    {
      title: 'Time to store an entry',
      description: 'High: slow disks under JetStream.',
      unit: units.Seconds,
      thresholds: { at: [0.1, 0.5] },
      queries: quantiles('muster_command_journal_append_seconds'),
      alert: 'MusterJournalSlow',
    },
    {
      title: 'Lag of the journal',
      description: 'Age of an entry that is stored and not read back.',
      unit: units.Seconds,
      thresholds: { at: [1, 5] },
      queries: [maxBy('muster_command_journal_lag_seconds', 'instance')],
      alert: 'MusterJournalLag',
    },
    {
      title: 'Bytes of the journal',
      description: 'Bytes of the entries that were written, and failed turns of reconciling.',
      unit: units.BytesPerSecondIEC,
      queries: [
        { ...rateBy('muster_command_journal_bytes_total'), legend: 'written' },
        { ...rateBy('muster_command_reconcile_failures_total'), legend: 'failed turns a second' },
      ],
      alert: 'MusterReconcileFailing',
    },
  ],
};

export const queriesAndCommands: DashboardSpec = {
  name: 'queries-and-commands',
  title: 'Muster / Queries and commands',
  description: 'Questions and orders, from the request to the last endpoint.',
  chooseBy: 'nodejs_version_info{job=~"muster-(gateway|query|command).*"}',
  rows: [queries, commands, journal],
};
