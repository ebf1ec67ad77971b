import type { Bus } from '@muster/bus';
import { decodeServiceMessage, encodeBusMessage, SUBJECTS, type QueryReply, type QueryRequest } from '@muster/messages';
import { AppError, type OrgId, type CoordinatorId, type QueryId } from '@muster/protocol';
import type { Logger } from '@muster/runtime';
import type { InterruptResult } from '../beats/interrupt-orphan.js';
import type { OrphanWatch } from '../beats/orphan-watch.js';
import type { OwnedQueries } from '../owner/owned-queries.js';
import type { KeptQuery, QueryRecords } from '../records/query-records.js';
import type { Reductions } from '../reduce/reductions.js';
import type { SqlCompiler } from '../sql/sql-compiler.js';

export interface OneQueryOptions {
  readonly bus: Bus;
  readonly ownerId: CoordinatorId;
  readonly logger: Logger;
  readonly compiler: Pick<SqlCompiler, 'compileReduce'>;
  readonly records: Pick<QueryRecords, 'get'>;
  readonly owned: Pick<OwnedQueries, 'get'>;
  readonly reductions: Pick<Reductions, 'reduce'>;
  readonly orphans: Pick<OrphanWatch, 'answers'>;
  readonly interrupt: (orphan: KeptQuery) => Promise<InterruptResult>;
}

type Request<T extends QueryRequest['t']> = QueryRequest & { readonly t: T };

const FORWARD_TIMEOUT_MS = 2_000;

/** What can be asked of a query that exists, at any query service. */
export class OneQuery {
  readonly #options: OneQueryOptions;

  constructor(options: OneQueryOptions) {
    this.#options = options;
  }

  /** @throws AppError `not_found`, `conflict` when it has ended, `timeout`, `broker_unavailable`. */
  async cancel(request: Request<'cancel'>): Promise<QueryReply> {
    const kept = await this.#known(request.org, request.id);
    if (kept.record.state !== 'running') throw hasEnded(request.id);
    const reply = await this.#askOwner(kept.record.owner, request);
    if (reply !== undefined) return reply;
    // Nobody is left to cancel it, and its end is what was asked for.
    await this.#interrupt(request.org, request.id);
    return { t: 'cancelled' };
  }

  /** @throws AppError `not_found` and what {@link Reductions.reduce} throws. */
  async reduce(request: Request<'reduce'>): Promise<QueryReply> {
    const { record } = await this.#known(request.org, request.id);
    // Before any row is read, so that a slip of the pen costs nothing.
    await this.#options.compiler.compileReduce(request.sql, { mode: record.mode, columns: record.columns });
    return { t: 'reduced', ...(await this.#options.reductions.reduce(record, request.sql)) };
  }

  /** @throws AppError `not_found`, `conflict` when its owner lives after all, `timeout`, `broker_unavailable`. */
  async adopt(request: Request<'adopt'>): Promise<QueryReply> {
    const { record } = await this.#known(request.org, request.id);
    if (record.state !== 'running') return { t: 'adopted' };
    const reply = await this.#askOwner(record.owner, request);
    if (reply !== undefined) return reply;
    await this.#interrupt(request.org, request.id);
    return { t: 'adopted' };
  }

  /** A question that another query service passed on, because this one owns the query. */
  askedAsOwner(request: QueryRequest): QueryReply {
    if (request.t !== 'cancel' && request.t !== 'adopt') throw new AppError('bad_request', 'no question for an owner');
    const query = this.#options.owned.get(request.id);
    if (query === undefined || query.record.org !== request.org) throw notHere(request.id);
    if (request.t === 'adopt') throw ownerLives(request.id);
    if (!query.running) throw hasEnded(request.id);
    this.#options.logger.info('query is cancelled', { query: request.id, by: request.by });
    query.end('cancelled');
    return { t: 'cancelled' };
  }

  /** The owner's answer; `undefined` when the owner is gone, or does not have the query. */
  async #askOwner(owner: CoordinatorId, request: Request<'cancel' | 'adopt'>): Promise<QueryReply | undefined> {
    const { bus, ownerId, owned, orphans } = this.#options;
    if (owner === ownerId) return owned.get(request.id) === undefined ? undefined : this.askedAsOwner(request);
    const result = await bus.request(SUBJECTS.coordinator(owner), encodeBusMessage(request), {
      timeoutMs: FORWARD_TIMEOUT_MS,
    });
    if (result.kind === 'reply') {
      const reply = decodeServiceMessage<QueryReply>(result.data);
      return reply.t === 'problem' && reply.code === 'not_found' ? undefined : reply;
    }
    if (result.kind === 'disconnected') throw new AppError('broker_unavailable', 'the message broker is out of reach');
    if (await orphans.answers(owner)) throw new AppError('timeout', 'the owner of the query did not answer in time');
    return undefined;
  }

  async #interrupt(org: OrgId, id: QueryId): Promise<void> {
    const kept = await this.#known(org, id);
    if (kept.record.state !== 'running') return;
    const result = await this.#options.interrupt(kept);
    if (result === 'alive') throw ownerLives(id);
    if (result === 'unavailable') throw new AppError('broker_unavailable', `the end of query ${id} could not be kept`);
  }

  async #known(org: OrgId, id: QueryId): Promise<KeptQuery> {
    const kept = await this.#options.records.get(org, id);
    if (kept === undefined) throw notHere(id);
    return kept;
  }
}

const notHere = (id: QueryId): AppError => new AppError('not_found', `there is no query ${id}`, { details: { id } });
const hasEnded = (id: QueryId): AppError => new AppError('conflict', `query ${id} has ended`, { details: { id } });
const ownerLives = (id: QueryId): AppError =>
  new AppError('conflict', `query ${id} has an owner that lives`, { details: { id } });
