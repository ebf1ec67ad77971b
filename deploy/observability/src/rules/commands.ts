import type { RuleGroup } from '../build/rule.js';

const command = 'job="muster-command",instance="a"';
const gateway = 'job="muster-gateway",instance="a"';

export const commands: RuleGroup = {
  name: 'commands',
  rules: [
    {
      alert: 'MusterCommandsOverdue',
      expr: 'max(muster_command_overdue_commands) > 0',
      for: '2m',
      severity: 'critical',
      summary: 'Accepted commands have not ended although their time is over.',
      description: '{{ $value }} commands are open past their latest end.',
      fires: { series: { [`muster_command_overdue_commands{${command}}`]: '0x3 2x6' }, at: '8m' },
      quiet: { series: { [`muster_command_overdue_commands{${command}}`]: '0x3 2 0x6' }, at: '8m' },
    },
    {
      alert: 'MusterJournalFailing',
      expr: 'sum by (job, instance) (increase(muster_command_journal_failures_total[5m])) > 0',
      severity: 'critical',
      summary: 'Entries could not be written to the journal.',
      description: '{{ $labels.instance }} gave {{ $value | humanize }} journal entries up within five minutes.',
      fires: { series: { [`muster_command_journal_failures_total{${command}}`]: '0x3 1x5' }, at: '6m' },
      quiet: { series: { [`muster_command_journal_failures_total{${command}}`]: '1x10' }, at: '8m' },
    },
    {
      alert: 'MusterJournalLag',
      expr: 'muster_command_journal_lag_seconds > 5',
      for: '1m',
      severity: 'critical',
      summary: 'A command service does not read back what it writes.',
      description: '{{ $labels.instance }} is {{ $value | humanizeDuration }} behind the journal.',
      fires: { series: { [`muster_command_journal_lag_seconds{${command}}`]: '0x3 10+60x5' }, at: '6m' },
      quiet: { series: { [`muster_command_journal_lag_seconds{${command}}`]: '0x3 10 0x5' }, at: '6m' },
    },
    {
      alert: 'MusterJournalSlow',
      expr: 'histogram_quantile(0.95, sum by (job, instance, le) (rate(muster_command_journal_append_seconds_bucket[5m]))) > 0.5',
      for: '5m',
      severity: 'warning',
      summary: 'NATS stores journal entries slowly.',
      description:
        'One entry in twenty of {{ $labels.instance }} takes {{ $value | humanizeDuration }} until it is stored.',
      fires: {
        series: {
          [`muster_command_journal_append_seconds_bucket{${command},le="0.5"}`]: '0+5x20',
          [`muster_command_journal_append_seconds_bucket{${command},le="1"}`]: '0+10x20',
          [`muster_command_journal_append_seconds_bucket{${command},le="+Inf"}`]: '0+10x20',
        },
        at: '12m',
      },
      quiet: {
        series: {
          [`muster_command_journal_append_seconds_bucket{${command},le="0.5"}`]: '0+10x20',
          [`muster_command_journal_append_seconds_bucket{${command},le="1"}`]: '0+10x20',
          [`muster_command_journal_append_seconds_bucket{${command},le="+Inf"}`]: '0+10x20',
        },
        at: '12m',
      },
    },
    {
      alert: 'MusterJournalUnreadable',
      expr: 'sum by (job, instance) (increase(muster_command_journal_unreadable_total[30m])) > 0',
      severity: 'warning',
      summary: 'Journal entries cannot be read.',
      description: '{{ $labels.instance }} skipped {{ $value | humanize }} journal entries within 30 minutes.',
      fires: { series: { [`muster_command_journal_unreadable_total{${command}}`]: '0x3 1x5' }, at: '6m' },
      quiet: { series: { [`muster_command_journal_unreadable_total{${command}}`]: '1x40' }, at: '35m' },
    },
    {
      alert: 'MusterReconcileFailing',
      expr: 'sum by (job, instance) (increase(muster_command_reconcile_failures_total[10m])) > 5',
      severity: 'warning',
      summary: 'A command service fails to bring commands forward.',
      description: '{{ $labels.instance }} failed {{ $value | humanize }} times within ten minutes.',
      fires: { series: { [`muster_command_reconcile_failures_total{${command}}`]: '0+2x15' }, at: '12m' },
      quiet: { series: { [`muster_command_reconcile_failures_total{${command}}`]: '0x5 2x10' }, at: '12m' },
    },
    {
      alert: 'MusterCommandServicesDisagree',
      expr: 'max(muster_command_live_services) != min(muster_command_live_services)',
      for: '2m',
      severity: 'warning',
      summary: 'Command services do not agree on who is live.',
      description: 'One command service knows {{ $value }} live ones; another one knows fewer.',
      fires: {
        series: {
          'muster_command_live_services{job="muster-command",instance="a"}': '2x10',
          'muster_command_live_services{job="muster-command",instance="b"}': '1x10',
        },
        at: '5m',
      },
      quiet: {
        series: {
          'muster_command_live_services{job="muster-command",instance="a"}': '2x10',
          'muster_command_live_services{job="muster-command",instance="b"}': '2x3 1 2x6',
        },
        at: '5m',
      },
    },
    {
      alert: 'MusterDeliveriesDropped',
      expr: 'sum by (job, instance) (increase(muster_gateway_command_deliveries_total{result="dropped"}[10m])) > 0',
      severity: 'warning',
      summary: 'Commands did not reach endpoints that are connected.',
      description: '{{ $labels.instance }} dropped {{ $value | humanize }} deliveries within ten minutes.',
      fires: {
        series: { [`muster_gateway_command_deliveries_total{${gateway},result="dropped"}`]: '0x5 1x5' },
        at: '8m',
      },
      quiet: {
        series: { [`muster_gateway_command_deliveries_total{${gateway},result="dropped"}`]: '1x20' },
        at: '15m',
      },
    },
    {
      alert: 'MusterReportsDelayed',
      expr: 'sum by (job, instance) (increase(muster_gateway_command_reports_total{result=~"dropped|full|rate"}[10m])) > 0',
      severity: 'warning',
      summary: 'Endpoints have to repeat their reports.',
      description: '{{ $labels.instance }} did not pass {{ $value | humanize }} reports on within ten minutes.',
      fires: { series: { [`muster_gateway_command_reports_total{${gateway},result="full"}`]: '0x5 1x5' }, at: '8m' },
      quiet: { series: { [`muster_gateway_command_reports_total{${gateway},result="sent"}`]: '0+9x20' }, at: '15m' },
    },
    {
      alert: 'MusterReportsForged',
      expr: 'sum(increase(muster_command_reports_total{result=~"unauthentic|rejected"}[10m])) > 0',
      severity: 'warning',
      summary: 'Reports about commands do not come from the endpoints that they name.',
      description: '{{ $value | humanize }} reports were refused within ten minutes.',
      fires: { series: { [`muster_command_reports_total{${command},result="unauthentic"}`]: '0x5 1x5' }, at: '8m' },
      quiet: { series: { [`muster_command_reports_total{${command},result="kept"}`]: '0+9x20' }, at: '15m' },
    },
  ],
};
