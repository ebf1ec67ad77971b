import type { Metrics } from '@muster/runtime';
import { coordinatorMetrics } from './coordinator/coordinator-metrics.js';
import { livenessMetrics } from './liveness/liveness-metrics.js';
import { reduceMetrics } from './sql/reductions.js';
import { resultMetrics } from './results/result-writer.js';
import { requestMetrics } from './requests/query-request-handler.js';

/** All metrics of the query service. `running` is called at each scrape. */
export function createQueryMetrics(metrics: Metrics, live: { readonly running: () => number }) {
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
