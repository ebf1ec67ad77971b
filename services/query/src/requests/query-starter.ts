import type { QueryReply, QueryRequest, StartQuery, Traced } from '@muster/messages';
import { AppError, EMPTY_LEDGER, newQueryId, type CoordinatorId } from '@muster/protocol';
import { writeFailure } from '@muster/service-base';
import type { QueryRecord } from '@muster/records';
import { traceIdOf, type Clock, type Logger } from '@muster/runtime';
import type { QueryCoordinator } from '../coordinator/query-coordinator.js';
import type { SqlCompiler } from '../sql/sql-compiler.js';
import type { QueryRecordStore } from '../results/query-record-store.js';
import type { QueryAdmission } from './query-admission.js';
import { planQuery } from './plan-query.js';

export interface QueryStarterOptions {
  readonly coordinatorId: CoordinatorId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly compiler: Pick<SqlCompiler, 'compile' | 'compileReduce'>;
  readonly admission: QueryAdmission;
  readonly coordinator: Pick<QueryCoordinator, 'launch'>;
  readonly records: Pick<QueryRecordStore, 'get'>;
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
    const { compiler, admission, coordinator, logger } = this.#options;
    const { scope, columns } = await planQuery(compiler, request);
    const record = this.#recordOf(request, scope, columns);
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
    const { columns, tables } = await planQuery(this.#options.compiler, request);
    return { t: 'compiled', columns, tables };
  }

  #recordOf(request: StartQuery, scope: string, columns: readonly string[]): QueryRecord {
    const { coordinatorId, clock } = this.#options;
    const { org, operator, operatorName, sql, selector, among, mode, reduce, timeoutMs } = request;
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
        timeoutMs,
      },
      ...(among === undefined ? {} : { among }),
      ...(reduce === undefined ? {} : { reduce }),
      ...{ owner: coordinatorId, state: 'running', createdAtMs, deadlineMs: createdAtMs + timeoutMs },
      ...{ ledger: EMPTY_LEDGER, offline: 0, rows: 0 },
    };
  }
}
