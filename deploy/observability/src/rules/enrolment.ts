import type { RuleGroup } from '../build/rule.js';

const gateway = 'job="muster-gateway",instance="a"';

export const enrolment: RuleGroup = {
  name: 'enrolment',
  rules: [
    {
      alert: 'MusterEnrolmentNearlyFull',
      expr: 'max by (bound) (muster_gateway_enrolment_fill_ratio) > 0.8',
      for: '10m',
      severity: 'warning',
      summary: 'A secret or an org has nearly used up its identities.',
      description: 'The fullest {{ $labels.bound }} has used {{ $value | humanizePercentage }} of its identities.',
      fires: { series: { [`muster_gateway_enrolment_fill_ratio{${gateway},bound="org"}`]: '0.9x15' }, at: '12m' },
      quiet: { series: { [`muster_gateway_enrolment_fill_ratio{${gateway},bound="org"}`]: '0.7x15' }, at: '15m' },
    },
    {
      alert: 'MusterEnrolmentRefused',
      expr: 'sum(rate(muster_gateway_enrolment_refusals_total{reason=~"secret_full|org_full|secret_expired"}[10m])) > 0',
      severity: 'warning',
      summary: 'Endpoints cannot enrol.',
      description:
        '{{ $value | humanize }} enrolments a second are refused because a secret or an org is full, or a secret has expired.',
      fires: {
        series: { [`muster_gateway_enrolment_refusals_total{${gateway},reason="org_full"}`]: '0x5 3x5' },
        at: '8m',
      },
      quiet: {
        series: { [`muster_gateway_enrolment_refusals_total{${gateway},reason="org_full"}`]: '3x20' },
        at: '15m',
      },
    },
    {
      alert: 'MusterEnrolmentSurge',
      expr: 'max(delta(muster_gateway_identities[1h])) > clamp_min(max(muster_gateway_identities) / 20, 100)',
      severity: 'warning',
      summary: 'Unusually many endpoints enrol.',
      description: '{{ $value | humanize }} identities came within an hour: more than a twentieth of the fleet.',
      fires: { series: { [`muster_gateway_identities{${gateway}}`]: '1000+10x70' }, at: '65m' },
      quiet: { series: { [`muster_gateway_identities{${gateway}}`]: '1000+1x70' }, at: '65m' },
    },
    {
      alert: 'MusterEnrolmentGuessed',
      expr: 'sum(rate(muster_gateway_enrolment_refusals_total{reason=~"secret|unproven_rate"}[10m])) > 1',
      for: '10m',
      severity: 'warning',
      summary: 'Somebody guesses enrolment secrets.',
      description: '{{ $value | humanize }} enrolments a second come with a wrong secret.',
      fires: {
        series: { [`muster_gateway_enrolment_refusals_total{${gateway},reason="secret"}`]: '0+120x40' },
        at: '25m',
      },
      quiet: {
        series: { [`muster_gateway_enrolment_refusals_total{${gateway},reason="secret"}`]: '0+6x40' },
        at: '25m',
      },
    },
  ],
};
