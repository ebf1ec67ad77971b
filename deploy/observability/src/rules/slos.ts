import type { RuleCase, RuleGroup, Series } from '../build/rule.js';
import { sloRules, type Slo } from '../build/slo.js';

/** After some minutes: the longer windows hold what there is. */
const during = (series: Series): RuleCase => ({ series, at: '12m' });
const share = (bad: string, all: string): string => `${bad}\n  / (${all} > 0)`;
/** Of a histogram: the share above one of its bounds. A newer Prometheus writes the bound as a float. */
const above = (histogram: string, bound: number, window: string): string =>
  `1 - ${share(`sum(rate(${histogram}_bucket{le=~"${bound}(\\\\.0)?"}[${window}]))`, `sum(rate(${histogram}_count[${window}]))`)}`;

const query = 'job="muster-query",instance="a"';
const command = 'job="muster-command",instance="a"';
const gateway = 'job="muster-gateway",instance="a"';
const api = 'job="muster-api",instance="a"';

/** Closes that interrupt an endpoint: the connection broke, the gateway failed, shed load, was fenced, or gave the endpoint up. */
const LOST = '1006|1011|4003|4004|4005|4006';

/** Ends of queries: those of a service that was killed are counted by the one that ends them, another one or an API. */
const ended = (state: string, window: string): string =>
  [
    `sum(rate(muster_query_ended_total{${state}}[${window}])`,
    `or rate(muster_query_orphans_total{result="interrupted"}[${window}])`,
    `or rate(muster_api_orphaned_queries_total{result="interrupted"}[${window}]))`,
  ].join(' ');

export const SLOS: readonly Slo[] = [
  {
    id: 'query_ends',
    alert: 'MusterQueryEndsBudgetBurn',
    promise: '99.5 % of queries that nobody cancels end complete, with their ledger',
    objective: 0.995,
    badShare: (window) => share(ended('state=~"interrupted|lost|fenced"', window), ended('state!="cancelled"', window)),
    fires: during({
      [`muster_query_ended_total{${query},state="complete",mode="raw"}`]: '0+80x15',
      [`muster_query_ended_total{${query},state="interrupted",mode="raw"}`]: '0+10x15',
      [`muster_query_orphans_total{${query},result="interrupted"}`]: '0+5x15',
      [`muster_api_orphaned_queries_total{${api},result="interrupted"}`]: '0+5x15',
    }),
    quiet: during({
      [`muster_query_ended_total{${query},state="complete",mode="raw"}`]: '0+999x15',
      [`muster_query_ended_total{${query},state="interrupted",mode="raw"}`]: '0+1x15',
      [`muster_query_orphans_total{${query},result="interrupted"}`]: '0x15',
    }),
  },
  {
    id: 'endpoints_answer',
    alert: 'MusterEndpointsAnswerBudgetBurn',
    promise: '98 % of targeted endpoints say something of their own: rows, none, or an error',
    objective: 0.98,
    badShare: (window) =>
      share(
        `sum(rate(muster_query_endpoints_total{outcome=~"timed_out|disconnected|unreachable"}[${window}]))`,
        `sum(rate(muster_query_endpoints_total[${window}]))`,
      ),
    fires: during({
      [`muster_query_endpoints_total{${query},outcome="answered"}`]: '0+60x15',
      [`muster_query_endpoints_total{${query},outcome="timed_out"}`]: '0+40x15',
    }),
    quiet: during({
      [`muster_query_endpoints_total{${query},outcome="answered"}`]: '0+990x15',
      [`muster_query_endpoints_total{${query},outcome="timed_out"}`]: '0+10x15',
    }),
  },
  {
    id: 'query_first_rows',
    alert: 'MusterFirstRowsBudgetBurn',
    promise: '99 % of queries have their first answer within a second',
    objective: 0.99,
    badShare: (window) => above('muster_query_first_rows_seconds', 1, window),
    fires: during({
      [`muster_query_first_rows_seconds_bucket{${query},le="1"}`]: '0+80x15',
      [`muster_query_first_rows_seconds_count{${query}}`]: '0+100x15',
    }),
    quiet: during({
      [`muster_query_first_rows_seconds_bucket{${query},le="1"}`]: '0+999x15',
      [`muster_query_first_rows_seconds_count{${query}}`]: '0+1000x15',
    }),
  },
  {
    id: 'query_duration',
    alert: 'MusterQueryDurationBudgetBurn',
    promise: '95 % of queries end within ten seconds',
    objective: 0.95,
    badShare: (window) => above('muster_query_duration_seconds', 10, window),
    fires: during({
      [`muster_query_duration_seconds_bucket{${query},mode="raw",le="10"}`]: '0+10x15',
      [`muster_query_duration_seconds_count{${query},mode="raw"}`]: '0+100x15',
    }),
    quiet: during({
      [`muster_query_duration_seconds_bucket{${query},mode="raw",le="10"}`]: '0+98x15',
      [`muster_query_duration_seconds_count{${query},mode="raw"}`]: '0+100x15',
    }),
  },
  {
    id: 'command_ends',
    alert: 'MusterCommandEndsBudgetBurn',
    promise: '99.9 % of accepted commands end in time, with an outcome for each target',
    objective: 0.999,
    badShare: (window) =>
      share(
        `(sum(increase(muster_command_ended_total{when="late"}[${window}])) + max(muster_command_overdue_commands))`,
        `(sum(increase(muster_command_ended_total[${window}])) + max(muster_command_overdue_commands))`,
      ),
    fires: during({
      [`muster_command_ended_total{${command},when="in_time"}`]: '0+10x15',
      [`muster_command_ended_total{${command},when="late"}`]: '0+1x15',
      [`muster_command_overdue_commands{${command}}`]: '0x15',
    }),
    quiet: during({
      [`muster_command_ended_total{${command},when="in_time"}`]: '0+10x15',
      [`muster_command_ended_total{${command},when="late"}`]: '0x15',
      [`muster_command_overdue_commands{${command}}`]: '0x15',
    }),
  },
  {
    id: 'sessions_kept',
    alert: 'MusterSessionsKeptBudgetBurn',
    promise: '98 % of session hours pass without the loss of the session',
    objective: 0.98,
    badShare: (window) =>
      share(
        `3600 * sum(rate(muster_gateway_closed_connections_total{code=~"${LOST}"}[${window}]))`,
        `sum(rate(muster_gateway_session_seconds_total[${window}]))`,
      ),
    // 1,000 sessions: 60,000 session seconds a minute.
    fires: during({
      [`muster_gateway_session_seconds_total{${gateway},channel="live"}`]: '0+60000x15',
      [`muster_gateway_closed_connections_total{${gateway},code="1006"}`]: '0+10x15',
    }),
    quiet: during({
      [`muster_gateway_session_seconds_total{${gateway},channel="live"}`]: '0+60000x15',
      [`muster_gateway_closed_connections_total{${gateway},code="1006"}`]: '0x5 1x10',
    }),
  },
  {
    id: 'api_answers',
    alert: 'MusterApiAnswersBudgetBurn',
    promise: '99.9 % of requests to the API are answered without a fault of the server',
    objective: 0.999,
    badShare: (window) =>
      `1 - ${share(
        `sum(rate(muster_api_request_duration_seconds_count{status_class!="5xx"}[${window}]))`,
        `sum(rate(muster_api_request_duration_seconds_count[${window}]))`,
      )}`,
    fires: during({
      [`muster_api_request_duration_seconds_count{${api},status_class="2xx"}`]: '0+90x15',
      [`muster_api_request_duration_seconds_count{${api},status_class="5xx"}`]: '0+10x15',
    }),
    quiet: during({
      [`muster_api_request_duration_seconds_count{${api},status_class="2xx"}`]: '0+90x15',
      [`muster_api_request_duration_seconds_count{${api},status_class="5xx"}`]: '0x15',
    }),
  },
];

/** One element of `SLOS` is one objective with its recorded ratios and alerts. */
export const slos: RuleGroup = { name: 'slos', rules: SLOS.flatMap(sloRules) };
