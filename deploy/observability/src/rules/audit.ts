import type { RuleGroup } from '../build/rule.js';

const api = 'job="muster-api",instance="a"';

export const audit: RuleGroup = {
  name: 'audit',
  rules: [
    {
      alert: 'MusterAuditLost',
      expr: 'sum by (job, instance) (increase({__name__=~"muster_.+_audit_lost_total"}[15m])) > 0',
      severity: 'critical',
      summary: 'Audit records could not be written.',
      description:
        '{{ $labels.job }} {{ $labels.instance }} lost {{ $value | humanize }} audit records within 15 minutes.',
      fires: { series: { [`muster_api_audit_lost_total{${api}}`]: '0x5 1x5' }, at: '8m' },
      quiet: { series: { [`muster_api_audit_lost_total{${api}}`]: '1x20' }, at: '18m' },
    },
    {
      alert: 'MusterAuditSuppressed',
      expr: 'sum by (job, instance) (rate({__name__=~"muster_.+_audit_suppressed_total"}[5m])) > 1',
      for: '5m',
      severity: 'warning',
      summary: 'More is refused than is recorded.',
      description: '{{ $labels.job }} {{ $labels.instance }} only counts {{ $value | humanize }} refusals a second.',
      fires: { series: { [`muster_api_audit_suppressed_total{${api}}`]: '0+120x20' }, at: '12m' },
      quiet: { series: { [`muster_api_audit_suppressed_total{${api}}`]: '0+30x20' }, at: '12m' },
    },
    {
      alert: 'MusterRecordsForged',
      expr: 'sum by (job, instance) (increase({__name__=~"muster_.+_unauthentic_records_total",result="ignored"}[15m])) > 0',
      severity: 'critical',
      summary: 'Kept records that decide rights were not signed by an API.',
      description:
        '{{ $labels.job }} {{ $labels.instance }} ignored {{ $value | humanize }} records within 15 minutes.',
      fires: { series: { [`muster_api_unauthentic_records_total{${api},result="ignored"}`]: '0x5 1x5' }, at: '8m' },
      quiet: { series: { [`muster_api_unauthentic_records_total{${api},result="accepted"}`]: '0+1x20' }, at: '15m' },
    },
    {
      alert: 'MusterCredentialsGuessed',
      expr: 'sum(rate(muster_api_auth_failures_total[10m])) > 1',
      for: '5m',
      severity: 'warning',
      summary: 'Many requests come with credentials that are refused.',
      description: '{{ $value | humanize }} requests a second have credentials that are refused.',
      fires: { series: { [`muster_api_auth_failures_total{${api},reason="unknown"}`]: '0+120x30' }, at: '20m' },
      quiet: { series: { [`muster_api_auth_failures_total{${api},reason="unknown"}`]: '0+6x30' }, at: '20m' },
    },
  ],
};
