import type { Broker } from '@muster/bus';
import { Directory } from '@muster/directory';
import { newCoordinatorId, type CoordinatorId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Registry } from '@muster/registry';
import {
  together,
  type Clock,
  type Component,
  type Logger,
  type Metrics,
  type Span,
  type Tracer,
} from '@muster/runtime';
import {
  CoordinatorMonitor,
  interruptOrphan,
  OrphanReaper,
  type InterruptResult,
  type ServiceConfig,
  type StoredQuery,
} from '@muster/service-base';
import type { QueryConfig } from './config.js';
import { countOffline } from './coordinator/count-offline.js';
import { findLost } from './coordinator/find-lost.js';
import { QueryCoordinator } from './coordinator/query-coordinator.js';
import type { RunningQueryDeps } from './coordinator/running-query.js';
import { CoordinatorHeartbeats } from './liveness/coordinator-heartbeats.js';
import { GatewayFailureDetector } from './liveness/gateway-failure-detector.js';
import { HearingMonitor } from './liveness/hearing-monitor.js';
import { HeldSessions } from './liveness/held-sessions.js';
import { createQueryMetrics } from './metrics.js';
import { QueryAdmission } from './requests/query-admission.js';
import { QueryOperations } from './requests/query-operations.js';
import { QueryRequestHandler } from './requests/query-request-handler.js';
import { QueryStarter } from './requests/query-starter.js';
import { QueryRecordStore } from './results/query-record-store.js';
import { ResultWriter } from './results/result-writer.js';
import { Reductions, type ReduceLimits } from './sql/reductions.js';
import { SqlCompiler } from './sql/sql-compiler.js';

/** Approximate upper bound of one event of the result stream: a quarter of what the broker takes. */
const EVENT_BYTES = 256 * 1024;

export interface QueryServiceDeps {
  readonly broker: Broker;
  readonly registry: Pick<Registry, 'gateways' | 'lookup' | 'lease'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly config: Omit<QueryConfig, keyof ServiceConfig>;
}

export interface QueryService {
  readonly coordinatorId: CoordinatorId;
  /** In the order in which they start. */
  readonly components: readonly (readonly [name: string, component: Component])[];
}

/** One incarnation of the query service over connected brokers. Its streams must exist. */
export function createQueryService(deps: QueryServiceDeps): QueryService {
  const { broker, registry, clock, logger, tracer, config } = deps;
  const { bus, streams } = broker;
  const coordinatorId = newCoordinatorId();
  const metrics = createQueryMetrics(deps.metrics, { running: () => coordinator.size });

  const directory = new Directory({ streams, logger });
  const records = new QueryRecordStore({ streams, logger });
  const compiler = new SqlCompiler({ clock, logger });
  const reductions = new Reductions({
    ...{ streams, directory, clock, logger, metrics: metrics.reduce },
    limits: reduceLimits(config),
  });

  const hearing = new HearingMonitor({ bus, clock });
  const held = new HeldSessions({ bus, clock, logger });
  const detector = new GatewayFailureDetector({
    ...{ bus, registry, hearing, held, clock, logger },
    onDead: (gateway, sign) => coordinator.gatewayDied(gateway, sign),
    onReturned: (gateway) => coordinator.gatewayReturned(gateway),
  });
  const runningDeps = (record: QueryRecord, span: Span): RunningQueryDeps => ({
    ...{ bus, clock, span, logger: span.logger(logger), metrics: metrics.coordinator, records, detector },
    openResults: (query) =>
      new ResultWriter({
        ...query,
        ...{ streams, clock, logger, metrics: metrics.results, retryForMs: config.brokerRetryMs },
      }),
    findLost: (asked) =>
      findLost({ directory, registry, held, gateways: () => detector.known(), clock }, record, asked),
    countOffline: (isTargeted) => countOffline(directory, record, isTargeted),
    reduce: (query) => reductions.reducedEvent(query),
    limits: { ...config, eventBytes: EVENT_BYTES },
  });
  const coordinator: QueryCoordinator = new QueryCoordinator({
    ...{ bus, coordinatorId, metrics: metrics.coordinator, tracer, records, detector, runningDeps },
  });

  // Coordinators watch each other; the queries of one that is gone are ended by the others.
  const heartbeats = new CoordinatorHeartbeats({ bus, coordinatorId, clock, active: () => coordinator.all() });
  const interrupt = (orphan: StoredQuery): Promise<InterruptResult> =>
    interruptOrphan({ bus, streams, tracer, nowMs: () => clock.now() }, orphan);
  const monitor = new CoordinatorMonitor({
    bus,
    clock,
    onHeard: (owner) => owner === coordinatorId && hearing.heard(),
  });
  const orphanReaper = new OrphanReaper({
    ...{ clock, logger, monitor, interrupt, hears: () => hearing.forMs !== undefined },
    onResult: (result) => metrics.liveness.orphans.inc({ result }),
    running: () => records.running(),
    own: { coordinatorId, runs: (id) => coordinator.get(id) !== undefined },
  });

  const admission = new QueryAdmission({ perOperator: config.queriesPerOperator, perOrg: config.queriesPerOrg }, () =>
    [...records.running(), ...coordinator.all()].map(({ record }) => record),
  );
  const starter = new QueryStarter({ coordinatorId, clock, logger, compiler, admission, coordinator, records });
  const operations = new QueryOperations({
    ...{ bus, coordinatorId, logger, compiler, records, coordinator, reductions, monitor, interrupt },
  });
  const requestHandler = new QueryRequestHandler({
    ...{ bus, coordinatorId, clock, logger, metrics: metrics.requests, tracer, starter, operations },
  });

  return {
    coordinatorId,
    components: [
      ['sql compiler and views', together([compiler, directory, records])],
      ['reductions', reductions],
      ['hearing monitor', { stop: () => hearing.stop() }],
      ['gateway failure detector', detector],
      ['coordinator monitor', monitor],
      ['coordinator heartbeats', heartbeats],
      ['coordinator', draining(coordinator, config.drainMs)],
      ['orphan reaper', orphanReaper],
      [
        'request handler',
        {
          start: () => requestHandler.start(),
          drain: () => {
            starter.drain();
            requestHandler.drain();
            heartbeats.drain();
          },
          stop: () => requestHandler.stop(),
        },
      ],
    ],
  };
}

function reduceLimits(config: QueryServiceDeps['config']): ReduceLimits {
  const { reduceConcurrent, reducePerOrg, reducePerOperator } = config;
  return {
    concurrent: reduceConcurrent,
    perOrg: reducePerOrg,
    perOperator: reducePerOperator,
    waiting: 4 * reduceConcurrent,
    waitingPerOrg: 4 * reducePerOrg,
    waitingPerOperator: 4 * reducePerOperator,
    ms: config.reduceMs,
    heapBytes: config.reduceHeapBytes,
  };
}

/** Its queries may end by themselves for this long. */
function draining(coordinator: QueryCoordinator, drainMs: number): Component {
  return {
    start: () => coordinator.start(),
    drain: (signal) => coordinator.drained(AbortSignal.any([signal, AbortSignal.timeout(drainMs)])),
    stop: () => coordinator.stop(),
  };
}
