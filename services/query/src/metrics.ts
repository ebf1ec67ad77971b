import type { Metrics } from '@muster/runtime';
import { coordinatorMetrics, type CoordinatorMetrics } from './coordinator/coordinator-metrics.js';
import { livenessMetrics, type LivenessMetrics } from './liveness/liveness-metrics.js';
import { requestMetrics, type RequestMetrics } from './requests/request-metrics.js';
import { resultMetrics, type ResultMetrics } from './results/result-metrics.js';
import { reduceMetrics, type ReduceMetrics } from './sql/reduce-metrics.js';

export interface QueryMetrics {
  readonly requests: RequestMetrics;
  readonly coordinator: CoordinatorMetrics;
  readonly results: ResultMetrics;
  readonly reduce: ReduceMetrics;
  readonly liveness: LivenessMetrics;
}

/** All metrics of the query service. `running` is called at each scrape. */
export function createQueryMetrics(metrics: Metrics, live: { readonly running: () => number }): QueryMetrics {
  metrics.gauge({
    name: 'muster_query_running_queries',
    help: 'Queries that run on this process.',
    collect: (gauge) => gauge.set(live.running()),
  });
  return {
    requests: requestMetrics(metrics),
    coordinator: coordinatorMetrics(metrics),
    results: resultMetrics(metrics),
    reduce: reduceMetrics(metrics),
    liveness: livenessMetrics(metrics),
  };
}
