import type { GatewayUpdate } from '@muster/messages';
import { OUTCOMES } from '@muster/protocol';
import { LATENCY_BUCKETS, type Logger, type Metrics } from '@muster/runtime';

export type CoordinatorMetrics = ReturnType<typeof coordinatorMetrics>;

export function coordinatorMetrics(metrics: Metrics) {
  return {
    ended: metrics.counter({
      name: 'muster_query_ended_total',
      help: 'Queries that ended here, by final state.',
      labels: ['state', 'mode'],
      initial: (['complete', 'cancelled', 'interrupted', 'lost', 'fenced'] as const).flatMap((state) => [
        { state, mode: 'raw' },
        { state, mode: 'group' },
      ]),
    }),
    firstRows: metrics.histogram({
      name: 'muster_query_first_rows_seconds',
      help: 'From the broadcast of a query to the first update with an answer.',
      buckets: LATENCY_BUCKETS,
    }),
    duration: metrics.histogram({
      name: 'muster_query_duration_seconds',
      help: 'From the broadcast of a query to its end in the result stream.',
      labels: ['mode'],
      buckets: [...LATENCY_BUCKETS, 60, 120, 300, 600],
    }),
    endpoints: metrics.counter({
      name: 'muster_query_endpoints_total',
      help: 'Endpoints of ended queries, by outcome.',
      labels: ['outcome'],
      initial: OUTCOMES.map((outcome) => ({ outcome })),
    }),
    updates: metrics.counter({
      name: 'muster_query_gateway_updates_total',
      help: 'Updates from gateways, by how they were handled.',
      labels: ['result'],
    }),
    lostUpdates: metrics.counter({
      name: 'muster_query_gateway_updates_lost_total',
      help: 'Updates that gateways sent and that did not arrive.',
    }),
    refusedNumbers: metrics.counter({
      name: 'muster_query_impossible_endpoints_total',
      help: 'Endpoints that gateways named and that cannot be enrolled: they are left out.',
    }),
    deadGateways: metrics.counter({
      name: 'muster_query_gateways_dead_total',
      help: 'Gateways that were found dead, by sign: no_responders or silent.',
      labels: ['sign'],
      initial: [{ sign: 'no_responders' }, { sign: 'silent' }],
    }),
    truncated: metrics.counter({
      name: 'muster_query_truncated_total',
      help: 'Queries that ended with incomplete rows.',
    }),
  };
}

/** A gateway has named so many endpoints that cannot be enrolled: a fault of it, or it was taken over. */
export function countRefused(
  { metrics, logger }: { readonly metrics: CoordinatorMetrics; readonly logger: Logger },
  { query, gateway }: GatewayUpdate,
  count: number,
): void {
  if (count === 0) return;
  metrics.refusedNumbers.inc(count);
  logger.warn('gateway named endpoints that cannot be enrolled', { query, gateway, count });
}
