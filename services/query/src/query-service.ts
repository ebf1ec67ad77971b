import type { Broker } from '@muster/bus';
import { Directory } from '@muster/directory';
import { newCoordinatorId, type CoordinatorId } from '@muster/protocol';
import { STREAMS, type QueryRecord } from '@muster/records';
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
import { countOffline, endpointsInScope } from './coordinator/count-offline.js';
import { findLost } from './coordinator/find-lost.js';
import { QueryCoordinator } from './coordinator/query-coordinator.js';
import type { RunningQueryDeps } from './coordinator/running-query.js';
import { HuntCoordinator } from './hunts/hunt-coordinator.js';
import { CoordinatorHeartbeats } from './liveness/coordinator-heartbeats.js';
import { GatewayFailureDetector } from './liveness/gateway-failure-detector.js';
import { HearingMonitor } from './liveness/hearing-monitor.js';
import { HeldSessions } from './liveness/held-sessions.js';
import { RecentPresence } from './liveness/recent-presence.js';
import { createQueryMetrics } from './metrics.js';
import { QueryAdmission } from './requests/query-admission.js';
import { QueryOperations } from './requests/query-operations.js';
import { QueryRequestHandler } from './requests/query-request-handler.js';
import { QueryStarter } from './requests/query-starter.js';
import { QueryRecordStore } from './results/query-record-store.js';
import { ResultWriter, type ResultWriterOptions } from './results/result-writer.js';
import { Reductions, type ReduceLimits } from './sql/reductions.js';
import { SqlCompiler } from './sql/sql-compiler.js';

/** Approximate upper bound of one event of the result stream: a quarter of what the broker takes. */
const EVENT_BYTES = 256 * 1024;

/** Agents that enrolled so short a time ago that the directory lacks them have higher numbers than it knows. */
const NEWEST_NUMBERS = 200_000;

/** What differs from one result stream to the next. */
type OpenedResults = Omit<ResultWriterOptions, 'streams' | 'clock' | 'logger' | 'metrics' | 'retryForMs'>;

export interface QueryServiceDeps {
  readonly broker: Broker;
  readonly registry: Pick<Registry, 'gateways' | 'lookup' | 'lease'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly config: Omit<QueryConfig, keyof ServiceConfig>;
  /** How long the broker keeps results and records: no hunt waits longer. */
  readonly keptMs: number;
  /** Where statements are compiled and reductions run; default: threads of this process. */
  readonly sql?: SqlThreads;
}

/** What runs SQL in threads. */
export interface SqlThreads {
  readonly compiler: Pick<SqlCompiler, 'compile' | 'compileReduce' | 'start' | 'stop'>;
  readonly reductions: Pick<Reductions, 'reduce' | 'reducedEvent' | 'start' | 'stop'>;
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
  const { compiler, reductions } = deps.sql ?? {
    compiler: new SqlCompiler({ clock, logger }),
    reductions: new Reductions({
      ...{ streams, directory, records, clock, logger, metrics: metrics.reduce },
      limits: reduceLimits(config),
    }),
  };

  const hearing = new HearingMonitor({ bus, clock });
  const highestNum = (): number => directory.highestNum + NEWEST_NUMBERS;
  const held = new HeldSessions({ bus, clock, logger, highestNum });
  const presence = new RecentPresence({ registry, clock });
  const detector = new GatewayFailureDetector({
    ...{ bus, registry, hearing, held, clock, logger },
    onDead: (gateway, sign) => {
      coordinator.gatewayDied(gateway, sign);
      hunts.gatewayDied(gateway);
    },
    onReturned: (gateway) => {
      coordinator.gatewayReturned(gateway);
      hunts.gatewayReturned(gateway);
    },
  });
  const openResults = (query: OpenedResults): ResultWriter =>
    new ResultWriter({
      ...query,
      ...{ streams, clock, logger, metrics: metrics.results, retryForMs: config.brokerRetryMs },
    });
  const runningDeps = (record: QueryRecord, span: Span): RunningQueryDeps => ({
    ...{ bus, clock, span, logger: span.logger(logger), metrics: metrics.coordinator, records, detector },
    openResults,
    findLost: (asked) =>
      findLost({ directory, presence, held, gateways: () => detector.known(), clock }, record, asked),
    countOffline: (isTargeted) => countOffline(directory, record, isTargeted),
    reduce: (query) => reductions.reducedEvent(query),
    afterArrived: (then) => coordinator.afterArrived(then),
    limits: { ...config, eventBytes: EVENT_BYTES, highestNum },
  });
  const coordinator: QueryCoordinator = new QueryCoordinator({
    ...{ bus, coordinatorId, metrics: metrics.coordinator, tracer, logger, records, detector, runningDeps },
    takeOther: (update) => hunts.takeUpdate(update),
  });
  const hunts: HuntCoordinator = new HuntCoordinator({
    ...{ bus, streams, coordinatorId, logger, tracer, records },
    runningDeps: (record, span) => ({
      ...runningDeps(record, span),
      ...{ records, openResults },
      inScope: () => endpointsInScope(directory, record),
    }),
  });

  // Coordinators watch each other; the queries of one that is gone are ended by the others.
  const heartbeats = new CoordinatorHeartbeats({
    ...{ bus, coordinatorId, clock },
    active: () => coordinator.all(),
    hunts: () => hunts.all(),
  });
  const interrupt = (orphan: StoredQuery): Promise<InterruptResult> =>
    interruptOrphan({ bus, streams, tracer, nowMs: () => clock.now() }, orphan);
  const endOrResume = (orphan: StoredQuery): Promise<InterruptResult> =>
    orphan.record.hunt === undefined ? interrupt(orphan) : hunts.resume(orphan);
  const monitor = new CoordinatorMonitor({
    bus,
    clock,
    onHeard: (owner) => owner === coordinatorId && hearing.heard(),
  });
  const orphanReaper = new OrphanReaper({
    ...{ clock, logger, monitor, interrupt: endOrResume, hears: () => hearing.forMs !== undefined },
    onResult: (result) => metrics.liveness.orphans.inc({ result }),
    running: () => records.running(),
    own: { coordinatorId, runs: (id) => coordinator.get(id) !== undefined || hunts.runs(id) },
  });

  const { starter, requestHandler } = createRequests(deps, {
    ...{ coordinatorId, metrics, records, compiler, reductions, coordinator, hunts, monitor, interrupt },
  });

  return {
    coordinatorId,
    components: [
      ['sql compiler and views', together([compiler, directory, records])],
      ['reductions', reductions],
      ['hearing monitor', { stop: () => hearing.stop() }],
      ['recent presence', { stop: () => presence.stop() }],
      ['gateway failure detector', detector],
      ['coordinator monitor', monitor],
      ['coordinator heartbeats', heartbeats],
      ['coordinator', draining(coordinator, config.drainMs)],
      ['hunts', hunts],
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

/** What requests are made of. */
interface RequestParts {
  readonly coordinatorId: CoordinatorId;
  readonly metrics: ReturnType<typeof createQueryMetrics>;
  readonly records: QueryRecordStore;
  readonly compiler: SqlThreads['compiler'];
  readonly reductions: SqlThreads['reductions'];
  readonly coordinator: QueryCoordinator;
  readonly hunts: HuntCoordinator;
  readonly monitor: CoordinatorMonitor;
  readonly interrupt: (orphan: StoredQuery) => Promise<InterruptResult>;
}

/** Takes requests: admits and starts queries and hunts, and does what can be done with those that there are. */
function createRequests(
  { broker, clock, logger, tracer, config, keptMs }: QueryServiceDeps,
  { coordinatorId, metrics, records, compiler, reductions, coordinator, hunts, monitor, interrupt }: RequestParts,
): { readonly starter: QueryStarter; readonly requestHandler: QueryRequestHandler } {
  const { bus, streams } = broker;
  const runningRecords = (): QueryRecord[] =>
    [...records.running(), ...coordinator.all(), ...hunts.all()].map(({ record }) => record);
  const admission = new QueryAdmission({ perOperator: config.queriesPerOperator, perOrg: config.queriesPerOrg }, () =>
    runningRecords().filter(({ hunt }) => hunt === undefined),
  );
  const huntAdmission = new QueryAdmission(
    { perOperator: config.huntsPerOperator, perOrg: config.huntsPerOrg, what: 'hunts open' },
    () => runningRecords().filter(({ hunt }) => hunt !== undefined),
  );
  const starter = new QueryStarter({
    ...{ coordinatorId, clock, logger, compiler, admission, coordinator, records },
    hunts: {
      ...{ admission: huntAdmission, coordinator: hunts },
      newestIdentity: () => streams.newestSeq(STREAMS.identities.name),
      keptMs,
    },
  });
  const operations = new QueryOperations({
    ...{ bus, coordinatorId, logger, compiler, records, reductions, monitor, interrupt },
    coordinator: { get: (id) => coordinator.get(id) ?? hunts.get(id) },
  });
  const requestHandler = new QueryRequestHandler({
    ...{ bus, coordinatorId, clock, logger, metrics: metrics.requests, tracer, starter, operations },
  });

  return { starter, requestHandler };
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
