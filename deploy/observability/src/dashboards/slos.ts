import * as units from '@grafana/grafana-foundation-sdk/units';
import type { DashboardSpec, RowSpec } from '../build/dashboard.js';
import { SLOS } from '../rules/slos.js';

const budget = (id: string): string => `slo:muster_error_budget:ratio{slo="${id}"}`;
const ratio = (id: string, window: string): string => `slo:muster_error_ratio:rate${window}{slo="${id}"}`;

const rows = SLOS.map(({ id, alert, promise, objective }): RowSpec => ({
  title: `${id}: ${promise}`,
  panels: [
    {
      title: `Met in three days (${id})`,
      description: `The share of good events within three days. The objective is that ${promise}.`,
      unit: units.PercentUnit,
      single: true,
      width: 6,
      thresholds: { at: [objective], falling: true },
      queries: [{ expr: `1 - ${ratio(id, '3d')}`, legend: 'met' }],
      alert,
    },
    {
      title: `Budget left at the pace of three days (${id})`,
      description: '100 %: nothing failed. 0 %: just enough failed to use up the error budget. Below: too much.',
      unit: units.PercentUnit,
      single: true,
      width: 6,
      thresholds: { at: [0.5, 0], falling: true },
      queries: [{ expr: `1 - ${ratio(id, '3d')} / ${budget(id)}`, legend: 'left' }],
      alert,
    },
    {
      title: `Burn rate (${id})`,
      description:
        'How many times faster than it lasts the budget is used up. Above 14.4 over an hour, or 6 over six hours, somebody is called.',
      unit: units.Short,
      width: 12,
      thresholds: { at: [1, 14.4] },
      queries: ['5m', '1h', '6h', '3d'].map((window) => ({
        expr: `${ratio(id, window)} / ${budget(id)}`,
        legend: window,
      })),
      alert,
    },
  ],
}));

/** Recorded series have neither job nor instance. */
export const serviceLevels: DashboardSpec = {
  name: 'slos',
  title: 'Muster / Service levels',
  description: 'What is promised, whether it is kept, and how fast the error budgets are used up.',
  rows,
};
