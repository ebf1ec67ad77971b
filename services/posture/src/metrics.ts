import { SEVERITIES } from '@muster/packs';
import { CHECK_OUTCOMES, VULNERABILITY_SEVERITIES, type CheckOutcome } from '@muster/protocol';
import type { CheckCounts, FeedRecord, ScanRecord, ScheduleRecord, VulnerabilityScanRecord } from '@muster/records';
import type { Metrics } from '@muster/runtime';
import { requestMetrics } from './requests/posture-request-handler.js';
import { openFailures } from './scans/changes.js';
import { recorderMetrics } from './scans/recorder-metrics.js';
import { schedulerMetrics } from './schedules/scheduler.js';
import { matcherMetrics } from './vulnerabilities/matcher-metrics.js';

export interface LiveState {
  /** The newest scan of each org and applied pack without a selector. */
  readonly newest: () => Iterable<ScanRecord>;
  readonly packs: () => number;
  readonly schedules: () => Iterable<ScheduleRecord>;
  readonly feeds: () => Iterable<FeedRecord>;
  /** The newest scan for vulnerabilities of each org without a selector. */
  readonly vulnerable: () => Iterable<VulnerabilityScanRecord>;
  readonly nowMs: () => number;
}

/** All metrics of the posture service. The gauges are read when they are scraped; nothing is labelled by endpoint. */
export function createPostureMetrics(metrics: Metrics, live: LiveState) {
  metrics.gauge({
    name: 'muster_posture_packs',
    help: 'Packs that are applied, of all orgs.',
    collect: (gauge) => gauge.set(live.packs()),
  });
  metrics.gauge({
    name: 'muster_posture_score_ratio',
    help: 'Score of the newest scan of all endpoints of an org, 0 to 1, by org and pack.',
    labels: ['org', 'pack'],
    collect: (gauge) => {
      gauge.reset();
      for (const { org, pack, score } of live.newest())
        if (score !== undefined) gauge.set({ org, pack: pack.id }, score / 100);
    },
  });
  metrics.gauge({
    name: 'muster_posture_schedules',
    help: 'Schedules of all orgs, by state.',
    labels: ['state'],
    collect: (gauge) => {
      const states = [...live.schedules()].map(({ state }) => state);
      for (const state of ['active', 'paused'] as const)
        gauge.set({ state }, states.filter((one) => one === state).length);
    },
  });
  metrics.gauge({
    name: 'muster_posture_failing_checks',
    help: 'Checks that fail somewhere without an exception in the newest scan of all endpoints of an org, by org, pack and severity.',
    labels: ['org', 'pack', 'severity'],
    collect: (gauge) => {
      gauge.reset();
      for (const { org, pack, checks } of live.newest())
        for (const severity of SEVERITIES) {
          const failing = checks.filter((check) => check.severity === severity && openFailures(check) > 0);
          gauge.set({ org, pack: pack.id, severity }, failing.length);
        }
    },
  });
  metrics.gauge({
    name: 'muster_posture_outcomes',
    help: 'Outcomes of the newest scan of all endpoints of an org: checks times endpoints, by org, pack, severity and outcome. What is excepted does not count as fail.',
    labels: ['org', 'pack', 'severity', 'outcome'],
    collect: (gauge) => {
      gauge.reset();
      for (const scan of live.newest())
        for (const severity of SEVERITIES)
          for (const outcome of [...CHECK_OUTCOMES, 'excepted'] as const) {
            const checks = scan.checks.filter((check) => check.severity === severity);
            const sum = checks.reduce((total, check) => total + countOf(check, outcome), 0);
            gauge.set({ org: scan.org, pack: scan.pack.id, severity, outcome }, sum);
          }
    },
  });
  vulnerabilityGauges(metrics, live);
  return {
    matcher: matcherMetrics(metrics),
    recorder: recorderMetrics(metrics),
    requests: requestMetrics(metrics),
    scheduler: schedulerMetrics(metrics),
  };
}

function countOf(check: CheckCounts, outcome: CheckOutcome | 'excepted'): number {
  if (outcome === 'excepted') return check.excepted ?? 0;
  return outcome === 'fail' ? openFailures(check) : check[outcome];
}

function vulnerabilityGauges(metrics: Metrics, live: LiveState): void {
  metrics.gauge({
    name: 'muster_posture_vulnerabilities',
    help: 'Vulnerabilities that the newest scan of all endpoints of an org found, by org and severity; suppressed ones are not in it.',
    labels: ['org', 'severity'],
    collect: (gauge) => {
      gauge.reset();
      for (const { org, report } of live.vulnerable())
        for (const severity of VULNERABILITY_SEVERITIES)
          gauge.set({ org, severity }, report?.vulnerabilities[severity] ?? 0);
    },
  });
  metrics.gauge({
    name: 'muster_posture_packages_not_known',
    help: 'Packages and versions of which the newest scan of all endpoints of an org does not know whether they are vulnerable.',
    labels: ['org'],
    collect: (gauge) => {
      gauge.reset();
      for (const { org, report } of live.vulnerable()) gauge.set({ org }, report?.packages.not_known ?? 0);
    },
  });
  metrics.gauge({
    name: 'muster_posture_feed_age_seconds',
    help: 'How long ago a feed was imported, by org, feed and kind.',
    labels: ['org', 'feed', 'kind'],
    collect: (gauge) => {
      gauge.reset();
      for (const { org, name, kind, atMs } of live.feeds())
        gauge.set({ org, feed: name, kind }, (live.nowMs() - atMs) / 1_000);
    },
  });
}
