import type { RuleGroup } from '../build/rule.js';

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
  ],
};
