import type { RuleGroup } from '../build/rule.js';

const feedAge = (kind: string): string =>
  `muster_posture_feed_age_seconds{job="muster-posture",instance="a",org="acme",feed="f",kind="${kind}"}`;

const firings = (result: string): string =>
  `muster_posture_firings_total{job="muster-posture",instance="a",result="${result}"}`;

export const posture: RuleGroup = {
  name: 'posture',
  rules: [
    {
      alert: 'MusterScheduledScansMissed',
      expr: 'sum by (result) (increase(muster_posture_firings_total{result=~"missed|failed"}[30m])) > 0',
      severity: 'warning',
      summary: 'Scheduled scans did not start.',
      description: '{{ $value | humanize }} moments of schedules are {{ $labels.result }} within half an hour.',
      fires: { series: { [firings('missed')]: '0x10 1x20' }, at: '15m' },
      quiet: { series: { [firings('missed')]: '3x60', [firings('started')]: '0+1x60' }, at: '50m' },
    },
    {
      alert: 'MusterFeedOld',
      // VEX statements have an end of their own.
      expr: 'max by (org, feed) (muster_posture_feed_age_seconds{kind!="vex"}) > 14 * 86400',
      severity: 'warning',
      summary: 'A feed of vulnerabilities is more than two weeks old.',
      description: 'The feed {{ $labels.feed }} of {{ $labels.org }} was imported {{ $value | humanizeDuration }} ago.',
      fires: { series: { [feedAge('osv')]: '1209000+60x60' }, at: '30m' },
      quiet: { series: { [feedAge('vex')]: '2000000x60', [feedAge('osv')]: '1000000+60x60' }, at: '50m' },
    },
  ],
};
