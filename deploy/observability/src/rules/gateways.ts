import type { RuleGroup } from '../build/rule.js';

const gateway = 'job="muster-gateway",instance="a"';

export const gateways: RuleGroup = {
  name: 'gateways',
  rules: [
    {
      alert: 'MusterGatewayDown',
      expr: 'up{job=~"muster-gateway.*"} == 0',
      for: '1m',
      severity: 'critical',
      summary: 'A gateway does not answer Prometheus.',
      description: '{{ $labels.instance }} has not answered for more than a minute.',
      fires: { series: { [`up{${gateway}}`]: '1x3 0x5' }, at: '6m' },
      quiet: { series: { [`up{${gateway}}`]: '1x3 0 1x5' }, at: '6m' },
    },
    {
      alert: 'MusterGatewayLost',
      expr: 'max(sum by (job, instance) (increase(muster_query_gateways_dead_total[10m]))) > 0',
      severity: 'warning',
      summary: 'A gateway was lost without a goodbye.',
      description: 'Query services found {{ $value | humanize }} gateways dead within ten minutes.',
      fires: {
        series: { 'muster_query_gateways_dead_total{job="muster-query",instance="a",sign="silent"}': '0x5 1x5' },
        at: '8m',
      },
      quiet: {
        series: { 'muster_query_gateways_dead_total{job="muster-query",instance="a",sign="silent"}': '1x20' },
        at: '15m',
      },
    },
    {
      alert: 'MusterGatewayFenced',
      expr: 'increase(muster_gateway_fences_total[15m]) > 0',
      severity: 'warning',
      summary: 'A gateway stood still past its lease.',
      description: '{{ $labels.instance }} gave up its sessions {{ $value | humanize }} times within 15 minutes.',
      fires: { series: { [`muster_gateway_fences_total{${gateway}}`]: '0x5 1x5' }, at: '8m' },
      quiet: { series: { [`muster_gateway_fences_total{${gateway}}`]: '1x20' }, at: '18m' },
    },
    {
      alert: 'MusterLeaseFlapping',
      expr: 'sum by (job, instance) (increase(muster_gateway_lease_renewals_total{result=~"lapsed|unavailable|unheard"}[10m])) >= 3',
      severity: 'warning',
      summary: 'A gateway cannot keep its lease.',
      description: '{{ $labels.instance }} failed to renew its lease {{ $value | humanize }} times within ten minutes.',
      fires: { series: { [`muster_gateway_lease_renewals_total{${gateway},result="unheard"}`]: '0+1x15' }, at: '12m' },
      quiet: {
        series: { [`muster_gateway_lease_renewals_total{${gateway},result="unheard"}`]: '0x5 1x10' },
        at: '12m',
      },
    },
    {
      alert: 'MusterSessionsDropped',
      expr: `sum(muster_gateway_live_sessions) < 0.7 * sum(muster_gateway_live_sessions offset 10m)
  and sum(muster_gateway_live_sessions offset 10m) > 50`,
      for: '2m',
      severity: 'critical',
      summary: 'Many endpoints have lost their sessions.',
      description: '{{ $value | humanize }} sessions are left; less than 70 % of those ten minutes ago.',
      fires: { series: { [`muster_gateway_live_sessions{${gateway}}`]: '1000x12 500x10' }, at: '16m' },
      quiet: { series: { [`muster_gateway_live_sessions{${gateway}}`]: '1000x12 800x10' }, at: '16m' },
    },
    {
      alert: 'MusterGatewayFull',
      expr: 'sum by (job, instance) (rate(muster_gateway_upgrades_total{result=~"full|rate"}[5m])) > 0',
      for: '5m',
      severity: 'warning',
      summary: 'A gateway turns endpoints away because it has no room.',
      description: '{{ $labels.instance }} turns {{ $value | humanize }} endpoints a second away.',
      fires: { series: { [`muster_gateway_upgrades_total{${gateway},result="full"}`]: '0+10x20' }, at: '10m' },
      quiet: { series: { [`muster_gateway_upgrades_total{${gateway},result="full"}`]: '0 10x20' }, at: '10m' },
    },
    {
      alert: 'MusterFallbacks',
      expr: 'sum(rate(muster_gateway_fallbacks_total[30m])) / (sum(rate(muster_gateway_hellos_total{result="ready"}[30m])) > 0) > 0.1',
      for: '10m',
      severity: 'warning',
      summary: 'Endpoints cannot use the channel that they are assigned.',
      description: '{{ $value | humanizePercentage }} of new sessions came over another channel than the assigned one.',
      fires: {
        series: {
          [`muster_gateway_fallbacks_total{${gateway},mode="poll"}`]: '0+5x60',
          [`muster_gateway_hellos_total{${gateway},result="ready"}`]: '0+10x60',
        },
        at: '50m',
      },
      quiet: {
        series: {
          [`muster_gateway_fallbacks_total{${gateway},mode="poll"}`]: '0+1x60',
          [`muster_gateway_hellos_total{${gateway},result="ready"}`]: '0+100x60',
        },
        at: '50m',
      },
    },
  ],
};
