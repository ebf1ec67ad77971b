import type { QueryReply, QueryRequest, StartQuery, Traced } from '@muster/messages';
import { AppError, EMPTY_LEDGER, newQueryId, type CoordinatorId } from '@muster/protocol';
import { writeFailure } from '@muster/service-base';
import type { QueryRecord } from '@muster/records';
import { traceIdOf, type Clock, type Logger } from '@muster/runtime';
import { checkWait } from '../hunts/check-wait.js';
import type { HuntCoordinator } from '../hunts/hunt-coordinator.js';
import type { QueryCoordinator } from '../coordinator/query-coordinator.js';
import type { SqlCompiler } from '../sql/sql-compiler.js';
import type { QueryRecordStore } from '../results/query-record-store.js';
import type { QueryAdmission } from './query-admission.js';
import { planQuery, type QueryPlan } from './plan-query.js';

export interface QueryStarterOptions {
  readonly coordinatorId: CoordinatorId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly compiler: Pick<SqlCompiler, 'compile' | 'compileReduce'>;
  readonly admission: QueryAdmission;
  readonly coordinator: Pick<QueryCoordinator, 'launch'>;
  readonly records: Pick<QueryRecordStore, 'get'>;
  readonly hunts: {
    readonly admission: QueryAdmission;
    readonly coordinator: Pick<HuntCoordinator, 'launch'>;
    /** The sequence of the newest identity: whoever enrols later has a higher number. @throws StreamError */
    readonly newestIdentity: () => Promise<number>;
    /** How long the broker keeps results and records. */
    readonly keptMs: number;
  };
}

/** Starts queries: check, admit, store the record, broadcast. */
export class QueryStarter {
  readonly #options: QueryStarterOptions;
  #draining = false;

  constructor(options: QueryStarterOptions) {
    this.#options = options;
  }

  drain(): void {
    this.#draining = true;
  }

  /** @throws AppError what {@link planQuery} and {@link QueryAdmission.enter} throw; `draining`; `broker_unavailable`. */
  async start(request: StartQuery & Traced): Promise<QueryReply> {
    if (this.#draining) throw new AppError('draining', 'the query service is stopping; ask again');
    const { compiler, logger, hunts } = this.#options;
    checkWait(request, this.#options.clock.now(), hunts.keptMs);
    const plan = await planQuery(compiler, request);
    const record = { ...this.#recordOf(request, plan), ...(await this.#huntTerms(request)) };
    const { admission, coordinator } = record.hunt === undefined ? this.#options : hunts;
    const release = admission.enter(record);
    try {
      const launched = await coordinator.launch(record, request.traceparent);
      if (launched.kind === 'unavailable') {
        throw writeFailure('the query could not be recorded; nobody was asked', launched.cause);
      }
      if (launched.kind === 'taken') return await this.#started(record);
    } finally {
      release();
    }
    const { id, org, mode, timeoutMs } = record;
    logger.info('query started', { query: id, org, mode, timeoutMs, traceId: traceIdOf(request.traceparent) });
    return { t: 'started', record };
  }

  /** The query that another service has started on the same request. */
  async #started({ org, id }: QueryRecord): Promise<QueryReply> {
    const stored = await this.#options.records.get(org, id);
    if (stored === undefined) throw new AppError('internal', `query ${id} has a record that cannot be read`);
    return { t: 'started', record: stored.record };
  }

  /** Checks a query without running it. */
  async compile(request: QueryRequest & { readonly t: 'compile' }): Promise<QueryReply> {
    checkWait(request, this.#options.clock.now(), this.#options.hunts.keptMs);
    const { columns, tables } = await planQuery(this.#options.compiler, request);
    return { t: 'compiled', columns, tables };
  }

  async #huntTerms({ waitUntilMs, standing }: StartQuery): Promise<Partial<Pick<QueryRecord, 'hunt' | 'deadlineMs'>>> {
    if (waitUntilMs === undefined) return {};
    if (standing === true) return { hunt: {}, deadlineMs: waitUntilMs };
    try {
      return { hunt: { through: await this.#options.hunts.newestIdentity() }, deadlineMs: waitUntilMs };
    } catch (cause) {
      throw new AppError('broker_unavailable', 'it cannot be read who is enrolled; nobody was asked', { cause });
    }
  }

  #recordOf(request: StartQuery, { scope, columns, tables, parameters: asked }: QueryPlan): QueryRecord {
    const { coordinatorId, clock } = this.#options;
    const { org, operator, operatorName, sql, selector, among, mode, reduce, parameters = [], timeoutMs } = request;
    const createdAtMs = clock.now();
    return {
      ...{
        id: request.id ?? newQueryId(createdAtMs),
        org,
        operator,
        operatorName,
        sql,
        selector,
        scope,
        mode,
        columns,
        tables,
        timeoutMs,
      },
      ...(among === undefined ? {} : { among }),
      ...(request.budget === undefined ? {} : { budget: request.budget }),
      ...(request.pack === undefined ? {} : { pack: request.pack }),
      ...(request.retryOf === undefined ? {} : { retryOf: request.retryOf }),
      ...(reduce === undefined ? {} : { reduce }),
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(parameters.every(({ name }) => asked.includes(name)) ? {} : { askedParameters: asked }),
      ...{ owner: coordinatorId, state: 'running', createdAtMs, deadlineMs: createdAtMs + timeoutMs },
      ...{ ledger: EMPTY_LEDGER, offline: 0, rows: 0 },
    };
  }
}
