import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import { isQueryId, type OrgId, type QueryId } from '@muster/protocol';
import { decodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord } from '@muster/records';
import type { Logger } from '@muster/runtime';
import { storeQueryRecord, type StoredQuery, type StoreResult } from '@muster/service-base';

/**
 * The durable records of queries, and a view of those that run anywhere in the deployment. The view lags by the delivery time of a
 * message.
 */
export class QueryRecordStore {
  readonly #streams: StreamStore;
  readonly #logger: Logger;
  readonly #running = new Map<QueryId, StoredQuery>();
  #view: FollowedView | undefined;

  constructor(options: { readonly streams: StreamStore; readonly logger: Logger }) {
    this.#streams = options.streams;
    this.#logger = options.logger;
  }

  /** Resolves when every record that is stored now has been read. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#view = await followView(this.#streams, {
      stream: STREAMS.queries.name,
      apply: (entry) => this.#apply(entry),
      reset: () => this.#running.clear(),
      logger: this.#logger,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  /** The running queries of all coordinators. */
  running(): Iterable<StoredQuery> {
    return this.#running.values();
  }

  /**
   * The newest record; `undefined` when the query is unknown or its record has aged out.
   * @throws StreamError when the stream cannot be read.
   */
  async get(org: OrgId, id: QueryId): Promise<StoredQuery | undefined> {
    // The id becomes part of a subject.
    if (!isQueryId(id)) return undefined;
    const entry = await this.#streams.last(STREAMS.queries.name, STREAM_SUBJECTS.query(org, id));
    return entry === undefined ? undefined : { record: decodeQueryRecord<QueryRecord>(entry.data), seq: entry.seq };
  }

  /** Stores a version of a record; `seq` is that of the previous version, 0 for the first. */
  store(record: QueryRecord, seq: number): Promise<StoreResult> {
    return storeQueryRecord(this.#streams, record, seq);
  }

  #apply(entry: Entry): void {
    try {
      const record = decodeQueryRecord<QueryRecord>(entry.data);
      if (record.state === 'running') this.#running.set(record.id, { record, seq: entry.seq });
      else this.#running.delete(record.id);
    } catch (error) {
      // One unreadable record must not stop the view.
      this.#logger.error('query record is unreadable', { seq: entry.seq, err: error });
    }
  }
}
