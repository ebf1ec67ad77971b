import type { Bus } from '@muster/bus';
import { decodeServiceMessage, encodeBusMessage, SUBJECTS, type QueryReply, type QueryRequest } from '@muster/messages';
import { AppError, type OrgId, type CoordinatorId, type QueryId } from '@muster/protocol';
import type { Logger } from '@muster/runtime';
import { MAX_RETRY_CHAIN, type CoordinatorMonitor, type InterruptResult, type StoredQuery } from '@muster/service-base';
import type { RunningQuery } from '../coordinator/running-query.js';
import type { QueryRecord } from '@muster/records';
import type { QueryRecordStore } from '../results/query-record-store.js';
import type { Reductions } from '../sql/reductions.js';
import type { SqlCompiler } from '../sql/sql-compiler.js';
import { checkParameters } from './plan-query.js';

export interface QueryOperationsOptions {
  readonly bus: Bus;
  readonly coordinatorId: CoordinatorId;
  readonly logger: Logger;
  readonly compiler: Pick<SqlCompiler, 'compileReduce'>;
  readonly records: Pick<QueryRecordStore, 'get'>;
  readonly coordinator: { readonly get: (id: QueryId) => Pick<RunningQuery, 'record' | 'running' | 'end'> | undefined };
  readonly reductions: Pick<Reductions, 'reduce'>;
  readonly monitor: Pick<CoordinatorMonitor, 'isAlive' | 'silenceMs'>;
  readonly interrupt: (orphan: StoredQuery) => Promise<InterruptResult>;
}

type Request<T extends QueryRequest['t']> = QueryRequest & { readonly t: T };

const FORWARD_TIMEOUT_MS = 2_000;
/** A coordinator that was not heard for this long is pinged before anything is forwarded to it. */
const SILENCE_MS = 2_000;

/** Requests about an existing query, answered by any query service. */
export class QueryOperations {
  readonly #options: QueryOperationsOptions;
  /** Reductions that were asked for and have not ended, by their job. */
  readonly #reductions = new Map<string, AbortController>();

  constructor(options: QueryOperationsOptions) {
    this.#options = options;
  }

  /** @throws AppError `not_found`, `conflict` when it has ended, `timeout`, `broker_unavailable`. */
  async cancel(request: Request<'cancel'>): Promise<QueryReply> {
    const { record } = await this.#find(request.org, request.id);
    if (record.state !== 'running') throw hasEnded(request.id);
    const reply = await this.#askCoordinator(record.owner, request);
    if (reply !== undefined) return reply;
    // Its coordinator is gone: ending the query is what was requested.
    await this.#interrupt(request.org, request.id);
    return { t: 'cancelled' };
  }

  /** @throws AppError `not_found` and what {@link Reductions.reduce} throws. */
  async reduce({
    org,
    id,
    sql,
    parameters = [],
    earlier = [],
    operator = '',
    job,
  }: Request<'reduce'>): Promise<QueryReply> {
    const { compiler, reductions } = this.#options;
    const { signal, done } = this.#stoppable(job);
    try {
      const { record } = await this.#find(org, id);
      // Before any row is read, so that a typing error costs nothing.
      checkParameters(parameters);
      const shape = { form: record.mode, columns: record.columns };
      await compiler.compileReduce(sql, shape, { owner: `${org}/${operator}`, parameters });
      return {
        t: 'reduced',
        ...(await reductions.reduce(record, sql, {
          ...{ owner: { org, operator }, signal, parameters },
          earlier: () => this.#earlierOf(record, earlier),
        })),
        ...(earlier.length === 0 ? {} : { queries: earlier.length + 1 }),
      };
    } finally {
      done();
    }
  }

  /** @throws AppError `not_found`, `conflict`: they are too many, or their rows have other columns. */
  async #earlierOf({ org, columns, mode }: QueryRecord, ids: readonly QueryId[]): Promise<QueryRecord[]> {
    if (ids.length >= MAX_RETRY_CHAIN)
      throw new AppError('conflict', `a query and those that it asks again are ${MAX_RETRY_CHAIN} at most`);
    const records: QueryRecord[] = [];
    for (const id of ids) {
      const { record } = await this.#find(org, id);
      if (record.mode !== mode || record.columns.join('\0') !== columns.join('\0'))
        throw new AppError('conflict', `the rows of query ${id} have other columns`);
      records.push(record);
    }
    return records;
  }

  /** Ends a reduction, if it is one of this service. */
  stopReduction(job: string): void {
    this.#reductions.get(job)?.abort('nobody waits for this reduction any more');
  }

  #stoppable(job: string | undefined): { readonly signal: AbortSignal; readonly done: () => void } {
    const controller = new AbortController();
    if (job !== undefined) this.#reductions.set(job, controller);
    return { signal: controller.signal, done: () => job !== undefined && void this.#reductions.delete(job) };
  }

  /** @throws AppError `not_found`, `conflict` when its coordinator is alive, `timeout`, `broker_unavailable`. */
  async adopt(request: Request<'adopt'>): Promise<QueryReply> {
    const { record } = await this.#find(request.org, request.id);
    if (record.state !== 'running') return { t: 'adopted' };
    const reply = await this.#askCoordinator(record.owner, request);
    if (reply !== undefined) return reply;
    await this.#interrupt(request.org, request.id);
    return { t: 'adopted' };
  }

  /** A request that another query service forwarded, because this one coordinates the query. */
  handleAsCoordinator(request: QueryRequest): QueryReply {
    if (request.t !== 'cancel' && request.t !== 'adopt') throw new AppError('bad_request', 'no question for an owner');
    const query = this.#options.coordinator.get(request.id);
    if (query === undefined || query.record.org !== request.org) throw notFound(request.id);
    if (request.t === 'adopt') throw coordinatorIsAlive(request.id);
    if (!query.running) throw hasEnded(request.id);
    this.#options.logger.info('query cancelled', { query: request.id, by: request.by });
    query.end('cancelled');
    return { t: 'cancelled' };
  }

  /** The coordinator's reply; `undefined` when it is gone, or does not have the query. */
  async #askCoordinator(owner: CoordinatorId, request: Request<'cancel' | 'adopt'>): Promise<QueryReply | undefined> {
    const { bus, coordinatorId, coordinator, monitor } = this.#options;
    if (owner === coordinatorId)
      return coordinator.get(request.id) === undefined ? undefined : this.handleAsCoordinator(request);
    const silenceMs = monitor.silenceMs(owner);
    // Never heard: nothing listens, which the request finds out at once.
    const isSilent = silenceMs >= SILENCE_MS && Number.isFinite(silenceMs);
    if (isSilent && !(await monitor.isAlive(owner))) return undefined;
    const result = await bus.request(SUBJECTS.coordinator(owner), encodeBusMessage(request), {
      timeoutMs: FORWARD_TIMEOUT_MS,
    });
    if (result.kind === 'reply') {
      const reply = decodeServiceMessage<QueryReply>(result.data);
      return reply.t === 'problem' && reply.code === 'not_found' ? undefined : reply;
    }
    if (result.kind === 'disconnected') throw new AppError('broker_unavailable', 'the message broker is out of reach');
    if (await monitor.isAlive(owner)) throw new AppError('timeout', 'the owner of the query did not answer in time');
    return undefined;
  }

  async #interrupt(org: OrgId, id: QueryId): Promise<void> {
    const stored = await this.#find(org, id);
    if (stored.record.state !== 'running') return;
    const result = await this.#options.interrupt(stored);
    if (result === 'alive') throw coordinatorIsAlive(id);
    if (result === 'unavailable') throw new AppError('broker_unavailable', `the end of query ${id} could not be kept`);
  }

  async #find(org: OrgId, id: QueryId): Promise<StoredQuery> {
    const stored = await this.#options.records.get(org, id);
    if (stored === undefined) throw notFound(id);
    return stored;
  }
}

const notFound = (id: QueryId): AppError => new AppError('not_found', `there is no query ${id}`, { details: { id } });
const hasEnded = (id: QueryId): AppError => new AppError('conflict', `query ${id} has ended`, { details: { id } });
const coordinatorIsAlive = (id: QueryId): AppError =>
  new AppError('conflict', `query ${id} has an owner that lives`, { details: { id } });
