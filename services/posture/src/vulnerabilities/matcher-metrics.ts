import type { Counter, Histogram, Metrics } from '@muster/runtime';

export interface MatcherMetrics {
  readonly scans: Counter<'state'>;
  readonly seconds: Histogram;
}

export function matcherMetrics(metrics: Metrics): MatcherMetrics {
  return {
    scans: metrics.counter({
      name: 'muster_posture_vulnerability_scans_total',
      help: 'Scans for vulnerabilities that this process has compared with feeds, by how they ended.',
      labels: ['state'],
      initial: [{ state: 'complete' }, { state: 'interrupted' }, { state: 'failed' }],
    }),
    seconds: metrics.histogram({
      name: 'muster_posture_match_seconds',
      help: 'How long it took to compare the software of one scan with the feeds.',
      buckets: [0.1, 0.5, 1, 5, 10, 30, 60, 120, 300],
    }),
  };
}
