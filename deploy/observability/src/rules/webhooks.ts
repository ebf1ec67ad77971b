import type { RuleGroup } from '../build/rule.js';

const ended = (state: string): string =>
  `muster_api_webhook_deliveries_total{job="muster-api",instance="a",state="${state}"}`;

export const webhooks: RuleGroup = {
  name: 'webhooks',
  rules: [
    {
      alert: 'MusterWebhooksLost',
      expr: 'sum by (state) (increase(muster_api_webhook_deliveries_total{state!="delivered"}[30m])) > 0',
      severity: 'warning',
      summary: 'Receivers of webhooks did not get events.',
      description: '{{ $value | humanize }} deliveries are {{ $labels.state }} within half an hour.',
      fires: { series: { [ended('dead')]: '0x10 1x20' }, at: '15m' },
      quiet: { series: { [ended('dead')]: '3x60', [ended('delivered')]: '0+1x60' }, at: '50m' },
    },
  ],
};
