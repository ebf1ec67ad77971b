import type { Metrics } from '@muster/runtime';
import { beatMetrics, type BeatMetrics } from './beats/beat-metrics.js';
import { intakeMetrics, type IntakeMetrics } from './intake/intake-metrics.js';
import { ownerMetrics, type OwnerMetrics } from './owner/owner-metrics.js';
import { reduceMetrics, type ReduceMetrics } from './reduce/reduce-metrics.js';
import { resultMetrics, type ResultMetrics } from './results/result-metrics.js';

export interface QueryMetrics {
  readonly intake: IntakeMetrics;
  readonly owner: OwnerMetrics;
  readonly results: ResultMetrics;
  readonly reduce: ReduceMetrics;
  readonly beats: BeatMetrics;
}

/** All metrics of the query service; the gauge reads what lives when it is scraped. */
export function createQueryMetrics(metrics: Metrics, live: { readonly running: () => number }): QueryMetrics {
  metrics.gauge({
    name: 'muster_query_running_queries',
    help: 'Queries that run on this process.',
    collect: (gauge) => gauge.set(live.running()),
  });
  return {
    intake: intakeMetrics(metrics),
    owner: ownerMetrics(metrics),
    results: resultMetrics(metrics),
    reduce: reduceMetrics(metrics),
    beats: beatMetrics(metrics),
  };
}
