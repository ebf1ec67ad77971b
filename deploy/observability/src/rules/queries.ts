import type { RuleGroup } from '../build/rule.js';

const query = 'job="muster-query",instance="a"';
const api = 'job="muster-api",instance="a"';

export const queries: RuleGroup = {
  name: 'queries',
  rules: [
    {
      alert: 'MusterAnswersLost',
      expr: `sum(increase(muster_gateway_query_updates_total{result="dropped"}[10m]))
  + sum(increase(muster_query_gateway_updates_lost_total[10m])) > 0`,
      severity: 'warning',
      summary: 'Answers of endpoints were lost between gateways and query services.',
      description: '{{ $value | humanize }} updates of gateways were lost within ten minutes.',
      fires: {
        series: {
          'muster_gateway_query_updates_total{job="muster-gateway",instance="a",result="dropped"}': '0x20',
          [`muster_query_gateway_updates_lost_total{${query}}`]: '0x5 3x15',
        },
        at: '10m',
      },
      quiet: {
        series: {
          'muster_gateway_query_updates_total{job="muster-gateway",instance="a",result="dropped"}': '2x20',
          [`muster_query_gateway_updates_lost_total{${query}}`]: '3x20',
        },
        at: '15m',
      },
    },
    {
      alert: 'MusterQueriesIncomplete',
      expr: `sum(rate(muster_query_endpoints_total{outcome=~"timed_out|disconnected|unreachable"}[15m]))
  / (sum(rate(muster_query_endpoints_total[15m])) > 0) > 0.05`,
      for: '10m',
      severity: 'warning',
      summary: 'Queries end without the answer of many endpoints.',
      description: '{{ $value | humanizePercentage }} of the targeted endpoints gave no answer.',
      fires: {
        series: {
          [`muster_query_endpoints_total{${query},outcome="answered"}`]: '0+90x40',
          [`muster_query_endpoints_total{${query},outcome="timed_out"}`]: '0+10x40',
        },
        at: '30m',
      },
      quiet: {
        series: {
          [`muster_query_endpoints_total{${query},outcome="answered"}`]: '0+97x40',
          [`muster_query_endpoints_total{${query},outcome="timed_out"}`]: '0+3x40',
        },
        at: '30m',
      },
    },
    {
      alert: 'MusterQueriesInterrupted',
      // Those of a service that was killed are ended by another one or by an API, which count them apart. With no query
      // service left only these remain.
      expr: `sum(
  increase(muster_query_ended_total{state=~"interrupted|lost"}[10m])
  or increase(muster_query_orphans_total{result="interrupted"}[10m])
  or increase(muster_api_orphaned_queries_total{result="interrupted"}[10m])
) > 0`,
      severity: 'warning',
      summary: 'Queries were interrupted.',
      description:
        '{{ $value | humanize }} queries were interrupted within ten minutes, or their results could not be stored.',
      fires: {
        series: {
          [`muster_query_ended_total{${query},state="lost",mode="raw"}`]: '0x3',
          [`muster_query_orphans_total{${query},result="interrupted"}`]: '0x3',
          [`muster_api_orphaned_queries_total{${api},result="interrupted"}`]: '0x5 1x10',
        },
        at: '10m',
      },
      quiet: {
        series: {
          [`muster_query_ended_total{${query},state="complete",mode="raw"}`]: '0+9x20',
          [`muster_query_ended_total{${query},state="lost",mode="raw"}`]: '0x20',
          [`muster_query_orphans_total{${query},result="interrupted"}`]: '0x20',
          [`muster_query_orphans_total{${query},result="settled"}`]: '0+1x20',
          [`muster_api_orphaned_queries_total{${api},result="settled"}`]: '0+1x20',
        },
        at: '10m',
      },
    },
    {
      alert: 'MusterResultsNotStored',
      expr: 'sum by (job, instance) (increase(muster_query_result_retries_total[5m])) > 10',
      for: '2m',
      severity: 'warning',
      summary: 'NATS does not take the results of queries at the first attempt.',
      description: '{{ $labels.instance }} repeated {{ $value | humanize }} appends within five minutes.',
      fires: { series: { [`muster_query_result_retries_total{${query}}`]: '0+20x10' }, at: '8m' },
      quiet: { series: { [`muster_query_result_retries_total{${query}}`]: '0+1x10' }, at: '8m' },
    },
    {
      alert: 'MusterQueriesTruncated',
      expr: 'sum(increase(muster_query_truncated_total[30m])) / (sum(increase(muster_query_ended_total[30m])) > 0) > 0.2',
      for: '10m',
      severity: 'info',
      summary: 'Many queries end with rows left out.',
      description: '{{ $value | humanizePercentage }} of queries ended with rows left out.',
      fires: {
        series: {
          [`muster_query_truncated_total{${query}}`]: '0+1x60',
          [`muster_query_ended_total{${query},state="complete",mode="raw"}`]: '0+2x60',
        },
        at: '50m',
      },
      quiet: {
        series: {
          [`muster_query_truncated_total{${query}}`]: '0+1x60',
          [`muster_query_ended_total{${query},state="complete",mode="raw"}`]: '0+20x60',
        },
        at: '50m',
      },
    },
  ],
};
