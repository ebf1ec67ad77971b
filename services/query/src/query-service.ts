import type { Broker } from '@muster/bus';
import { Directory } from '@muster/directory';
import { newCoordinatorId, parseSelector, type CoordinatorId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Registry } from '@muster/registry';
import type { Clock, Logger, Metrics, Component } from '@muster/runtime';
import { interruptOrphan, type InterruptResult } from './beats/interrupt-orphan.js';
import { OrphanWatch } from './beats/orphan-watch.js';
import { CoordinatorHeartbeats } from './beats/coordinator-heartbeats.js';
import type { QueryConfig } from './config.js';
import { Admission } from './intake/admission.js';
import { Intake } from './intake/intake.js';
import { OneQuery } from './intake/one-query.js';
import { StartQueries } from './intake/start-queries.js';
import { createQueryMetrics } from './metrics.js';
import { GatewayWatch } from './owner/gateway-watch.js';
import { OwnedQueries } from './owner/owned-queries.js';
import type { RunningQueryDeps } from './owner/running-query.js';
import { QueryRecords, type KeptQuery } from './records/query-records.js';
import { Reductions } from './reduce/reductions.js';
import { ResultWriter } from './results/result-writer.js';
import { countOffline } from './scope/count-offline.js';
import { SqlCompiler } from './sql/sql-compiler.js';

/** How large one event of the result stream may be, about: a quarter of what the broker takes. */
const EVENT_BYTES = 256 * 1024;

export interface QueryServiceDeps {
  readonly broker: Broker;
  readonly registry: Pick<Registry, 'gateways'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly config: Omit<QueryConfig, 'healthHost' | 'healthPort' | 'natsUrls' | 'redisUrl'>;
}

export interface QueryService {
  readonly ownerId: CoordinatorId;
  /** In the order in which they start. */
  readonly parts: readonly (readonly [name: string, part: Component])[];
}

/** One incarnation of the query service over brokers that are connected already. Its streams must exist. */
export function createQueryService({
  broker,
  registry,
  clock,
  logger,
  metrics,
  config,
}: QueryServiceDeps): QueryService {
  const { bus, streams } = broker;
  const ownerId = newCoordinatorId();
  const counted = createQueryMetrics(metrics, { running: () => owned.size });

  const directory = new Directory({ streams, logger });
  const records = new QueryRecords({ streams, logger });
  const compiler = new SqlCompiler({ clock, logger });
  const reductions = new Reductions({
    ...{ streams, directory, clock, logger, metrics: counted.reduce },
    limits: {
      concurrent: config.reduceConcurrent,
      waiting: 4 * config.reduceConcurrent,
      ms: config.reduceMs,
      heapBytes: config.reduceHeapBytes,
    },
  });
  const watch = new GatewayWatch({
    ...{ bus, registry, clock, logger },
    onDead: (gateway, sign) => owned.gatewayDied(gateway, sign),
  });

  const depsOf = (record: QueryRecord): RunningQueryDeps => ({
    ...{ bus, clock, logger, metrics: counted.owner, records, watch },
    openResults: (query) =>
      new ResultWriter({
        ...query,
        ...{ streams, clock, logger, metrics: counted.results, giveUpMs: config.brokerPatienceMs },
      }),
    countOffline: (isTargeted) => {
      const scope = parseSelector(record.scope);
      return scope.ok
        ? countOffline(directory, { org: record.org, selector: scope.selector }, isTargeted)
        : Promise.resolve(0);
    },
    reduce: (query) => reductions.reducedEvent(query),
    limits: { ...config, eventBytes: EVENT_BYTES },
  });
  const owned: OwnedQueries = new OwnedQueries({ bus, ownerId, metrics: counted.owner, records, watch, depsOf });

  const beats = new CoordinatorHeartbeats({ bus, ownerId, clock, active: () => owned.all() });
  const interrupt = (orphan: KeptQuery): Promise<InterruptResult> =>
    interruptOrphan({ bus, streams, records, nowMs: () => clock.now() }, orphan);
  const orphans = new OrphanWatch({
    ...{ bus, ownerId, clock, logger, metrics: counted.beats, beats, interrupt },
    running: () => records.running(),
    isOurs: (id) => owned.get(id) !== undefined,
  });

  const admission = new Admission({ perOperator: config.queriesPerOperator, perOrg: config.queriesPerOrg }, () =>
    Array.from(records.running(), ({ record }) => record).concat(Array.from(owned.all(), ({ record }) => record)),
  );
  const starts = new StartQueries({ ownerId, clock, logger, compiler, admission, owned });
  const oneQuery = new OneQuery({ bus, ownerId, logger, compiler, records, owned, reductions, orphans, interrupt });
  const intake = new Intake({ bus, ownerId, logger, metrics: counted.intake, starts, oneQuery });

  return {
    ownerId,
    parts: [
      ['sql compiler', compiler],
      ['directory', directory],
      ['query records', records],
      ['reductions', reductions],
      ['gateway watch', watch],
      ['owner beats', beats],
      [
        'owned queries',
        {
          start: () => owned.start(),
          drain: (signal) => owned.drained(AbortSignal.any([signal, AbortSignal.timeout(config.drainMs)])),
          stop: () => owned.stop(),
        },
      ],
      ['orphan watch', orphans],
      [
        'intake',
        {
          start: () => intake.start(),
          drain: () => {
            starts.drain();
            intake.drain();
            beats.drain();
          },
          stop: () => intake.stop(),
        },
      ],
    ],
  };
}
