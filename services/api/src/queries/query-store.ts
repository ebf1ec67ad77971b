import { followView, readInTime, StreamError, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import { AppError, firstIdAt, isQueryId, joinSelectors, newQueryId, type OrgId, type QueryId } from '@muster/protocol';
import {
  decodeQueryRecord,
  STREAM_SUBJECTS,
  STREAMS,
  type QueryRecord,
  type QueryState,
  type ResultEvent,
} from '@muster/records';
import type { Clock, Logger } from '@muster/runtime';
import type { StoredQuery } from '@muster/service-base';
import type { Principal } from '../http/principal.js';
import type { TablePolicy } from './table-policy.js';
import type { QueryProgress } from './query-json.js';

// How many entries of the result stream are searched for the newest progress of a running query.
const PROGRESS_WINDOW = 512;

interface Indexed {
  readonly id: QueryId;
  state: QueryState;
}

/**
 * Reads stored queries. In memory is only an index for lists, about a hundred bytes per query: ids sort by time.
 * The records are read from the stream when they are needed.
 */
export class QueryStore {
  readonly #streams: StreamStore;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #policy: TablePolicy;
  readonly #keptForMs: number;
  /** By org, sorted by id, which is the order of time. */
  readonly #index = new Map<string, Indexed[]>();
  readonly #running = new Map<QueryId, StoredQuery>();
  #view: FollowedView | undefined;

  constructor({
    streams,
    logger,
    clock,
    policy,
    keptForMs = STREAMS.queries.maxAgeMs,
  }: {
    readonly streams: StreamStore;
    readonly logger: Logger;
    readonly clock: Clock;
    readonly policy: TablePolicy;
    /** The age at which the stream drops them. */
    readonly keptForMs?: number;
  }) {
    this.#streams = streams;
    this.#logger = logger;
    this.#clock = clock;
    this.#policy = policy;
    this.#keptForMs = keptForMs;
  }

  async start(): Promise<void> {
    this.#view = await followView(this.#streams, {
      stream: STREAMS.queries.name,
      logger: this.#logger,
      apply: (entry) => this.#apply(entry),
      reset: () => {
        this.#index.clear();
        this.#running.clear();
      },
    });
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  /** Resolves when it has everything that is kept now. @throws StreamError */
  async current(): Promise<void> {
    await this.#view?.current();
  }

  /** The queries whose record says that they run, of all orgs. */
  running(): Iterable<StoredQuery> {
    return this.#running.values();
  }

  /** Those that asked something. */
  orgs(): Iterable<OrgId> {
    // Sound: subjects have them, and only services write there.
    return this.#index.keys() as Iterable<OrgId>;
  }

  /** Of an org: those begun before a moment, after one of them, the oldest first; as they are known now. */
  idsBefore(org: OrgId, beforeMs: number, after: string): QueryId[] {
    const end = firstIdAt('q', beforeMs);
    const index = this.#index.get(org) ?? [];
    const from = lowerBound(index, after);
    const ids = index.slice(from, lowerBound(index, end)).map(({ id }) => id);
    return ids[0] === after ? ids.slice(1) : ids;
  }

  /** The query, if this principal may see it. Throws `not_found`, `broker_unavailable`. */
  async find(principal: Principal, id: string): Promise<QueryRecord> {
    const record = await this.read(principal.org, id as QueryId);
    if (record === undefined || !maySee(principal, record)) {
      throw new AppError('not_found', `there is no query ${id}; queries are kept for a month`);
    }
    return record;
  }

  /** As `find`, for who wants its rows or what its endpoints said. Throws also `table_forbidden`. */
  async findReadable(principal: Principal, id: string): Promise<QueryRecord> {
    const record = await this.find(principal, id);
    this.#policy.checkRead(principal, record);
    return record;
  }

  /** The newest record. The end of a query is in its result stream first, and counts from then on. */
  async read(org: OrgId, id: QueryId): Promise<QueryRecord | undefined> {
    return await this.#reading(async () => {
      const entry = await this.#streams.last(STREAMS.queries.name, STREAM_SUBJECTS.query(org, id));
      const record = entry && decodeQueryRecord<QueryRecord>(entry.data);
      if (record?.state !== 'running') return record;
      const last = await this.#streams.last(STREAMS.results.name, STREAM_SUBJECTS.result(org, id));
      const event = last && decodeQueryRecord<ResultEvent>(last.data);
      return event?.t === 'ended' ? event.record : record;
    });
  }

  /** Queries before `before`, newest first. Returns up to `limit + 1`: one more than `limit` means that there is a next page. */
  async list(principal: Principal, options: ListOptions): Promise<QueryRecord[]> {
    const { before, state, limit, operator, sinceMs, untilMs, prefix = '' } = options;
    const found: QueryRecord[] = [];
    const oldest = this.#clock.now() - this.#keptForMs;
    const from = sinceMs === undefined ? '' : firstIdAt('q', sinceMs);
    const end = untilMs === undefined ? before : earlier(before, firstIdAt('q', untilMs));
    const index = (this.#index.get(principal.org) ?? []).filter(
      ({ id, ...entry }) =>
        id >= from && id.startsWith(prefix) && (end === undefined || id < end) && mayBe(entry, state),
    );
    while (index.length > 0 && found.length <= limit) {
      const ids = index.splice(-Math.max(limit + 1 - found.length, 16)).toReversed();
      const records = await Promise.all(ids.map(({ id }) => this.read(principal.org, id)));
      for (const record of records) {
        if (record === undefined || record.createdAtMs < oldest) continue;
        if (state !== undefined && record.state !== state) continue;
        if (maySee(principal, record) && isOf(record, operator)) found.push(record);
      }
    }
    return found.slice(0, limit + 1);
  }

  /** The newest progress of a query. While it runs, progress is written more often than its record. */
  async progress(record: QueryRecord): Promise<QueryProgress> {
    if (record.state !== 'running') return record;
    const subject = STREAM_SUBJECTS.result(record.org, record.id);
    return await this.#reading(async () => {
      const newest = await this.#streams.last(STREAMS.results.name, subject);
      let progress: QueryProgress = record;
      if (newest === undefined) return progress;
      const fromSeq = Math.max(1, newest.seq - PROGRESS_WINDOW);
      for await (const { data } of readInTime(this.#streams, STREAMS.results.name, { subject, fromSeq, batch: 32 })) {
        const event = decodeQueryRecord<ResultEvent>(data);
        if (event.t === 'ended') return event.record;
        if (event.t === 'progress') progress = event;
        else if ('ledger' in event && event.ledger !== undefined) progress = { ...progress, ledger: event.ledger };
      }
      return progress;
    });
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (cause) {
      if (!(cause instanceof Error) || cause.name !== StreamError.name) throw cause;
      throw new AppError('broker_unavailable', 'queries cannot be read now; try again in a moment', { cause });
    }
  }

  #apply(entry: Entry): void {
    const [, org, id] = /^muster\.v1\.query\.([^.]+)\.([^.]+)$/.exec(entry.subject) ?? [];
    if (org === undefined || id === undefined || !isQueryId(id)) return;
    let record: QueryRecord;
    try {
      record = decodeQueryRecord<QueryRecord>(entry.data);
    } catch (err) {
      this.#logger.error('unreadable query record skipped', { seq: entry.seq, err });
      return;
    }
    const { state } = record;
    if (state === 'running') this.#running.set(id, { record, seq: entry.seq });
    else this.#running.delete(id);
    const index = this.#index.get(org) ?? [];
    this.#index.set(org, index);
    // The index forgets what the stream has dropped by age.
    const expired = lowerBound(index, newQueryId(this.#clock.now() - this.#keptForMs).slice(0, 11));
    if (expired > 0) index.splice(0, expired);
    const at = lowerBound(index, id);
    const known = index[at];
    if (known?.id === id) known.state = state;
    else index.splice(at, 0, { id, state });
  }
}

export interface ListOptions {
  readonly before?: string | undefined;
  readonly state?: QueryState | undefined;
  /** Of the id. */
  readonly prefix?: string | undefined;
  /** An id or a name. */
  readonly operator?: string | undefined;
  readonly sinceMs?: number | undefined;
  /** Not included. */
  readonly untilMs?: number | undefined;
  readonly limit: number;
}

const isOf = ({ operator, operatorName }: QueryRecord, wanted: string | undefined): boolean =>
  wanted === undefined || operator === wanted || operatorName === wanted;

const earlier = (one: string | undefined, other: string): string => (one !== undefined && one < other ? one : other);

/**
 * A bounded principal sees only their own queries that ran within the bound as it is now.
 * Other queries may have rows of endpoints outside the bound.
 */
export function maySee(principal: Principal, record: Pick<QueryRecord, 'operator' | 'scope' | 'selector'>): boolean {
  if (principal.bound.length === 0) return true;
  return record.operator === principal.id && record.scope === joinSelectors(record.selector, principal.selector);
}

/** A query that runs according to its record may have ended a moment ago. */
const mayBe = (entry: Pick<Indexed, 'state'>, state: QueryState | undefined): boolean =>
  state === undefined || entry.state === state || entry.state === 'running';

function lowerBound(index: readonly Indexed[], id: string): number {
  let low = 0;
  let high = index.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((index[middle]?.id ?? '') < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
