import * as units from '@grafana/grafana-foundation-sdk/units';
import type { DashboardSpec, RowSpec } from '../build/dashboard.js';
import { maxBy, rateBy } from '../build/queries.js';

/** Every instance tells the same of scans: the highest value is that of the newest one. */
const found: RowSpec = {
  title: 'What scans found',
  panels: [
    {
      title: 'Score',
      description:
        'Of the newest scan of all endpoints, by pack. What is excepted is left out. muster scan show says what fails.',
      unit: units.PercentUnit,
      max: 1,
      width: 12,
      thresholds: { at: [0.9, 0.7], falling: true },
      queries: [maxBy('muster_posture_score_ratio', 'org', 'pack')],
    },
    {
      title: 'Failing checks by severity',
      description: 'Checks that fail somewhere without an exception, in the newest scan of all endpoints.',
      unit: units.Short,
      width: 12,
      stacked: true,
      queries: [maxBy('muster_posture_failing_checks', 'org', 'pack', 'severity')],
    },
    {
      title: 'Failures by severity',
      description: 'Checks times endpoints that fail without an exception.',
      unit: units.Short,
      width: 12,
      stacked: true,
      queries: [maxBy('muster_posture_outcomes{outcome="fail"}', 'org', 'pack', 'severity')],
    },
    {
      title: 'No verdict, excepted',
      description:
        'Checks times endpoints that count in no score: error, over_budget, not_applicable, and what exceptions allow.',
      unit: units.Short,
      width: 12,
      stacked: true,
      queries: [maxBy('muster_posture_outcomes{outcome!~"pass|fail"}', 'org', 'pack', 'outcome')],
    },
  ],
};

const running: RowSpec = {
  title: 'Scans and schedules',
  panels: [
    {
      title: 'Scans that ended',
      description: 'By how their query ended. interrupted: its query service went away.',
      unit: units.CountsPerSecond,
      queries: [rateBy('muster_posture_scans_total', 'state')],
    },
    {
      title: 'Moments of schedules',
      description: 'started, missed (nobody could start the scan in time), failed. muster schedule show says why.',
      unit: units.CountsPerSecond,
      queries: [rateBy('muster_posture_firings_total', 'result')],
      alert: 'MusterScheduledScansMissed',
    },
    {
      title: 'Schedules and packs',
      description: 'Of all orgs.',
      unit: units.Short,
      queries: [
        maxBy('muster_posture_schedules', 'state'),
        { ...maxBy('muster_posture_packs', 'job'), legend: 'packs that are applied' },
      ],
    },
    {
      title: 'Requests to the posture service',
      description: 'By kind and result: ok, an error code, or expired (nobody waited any more).',
      unit: units.RequestsPerSecond,
      width: 24,
      queries: [rateBy('muster_posture_requests_total', 'kind', 'result')],
    },
  ],
};

export const posture: DashboardSpec = {
  name: 'posture',
  title: 'Muster: posture',
  description: 'What scans found, and whether they start when they should.',
  chooseBy: 'muster_posture_packs',
  rows: [found, running],
};
