import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import { isQueryId, type OrgId, type QueryId } from '@muster/protocol';
import { decodeQueryRecord, encodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord } from '@muster/records';
import type { Logger } from '@muster/runtime';

/** A record and its stream sequence, which the next version must name. */
export interface StoredQuery {
  readonly record: QueryRecord;
  readonly seq: number;
}

/** `conflict`: another process has written a newer version. */
export type StoreResult =
  | { readonly kind: 'stored'; readonly seq: number }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'unavailable'; readonly cause: Error };

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
  async store(record: QueryRecord, seq: number): Promise<StoreResult> {
    const result = await this.#streams.append(STREAM_SUBJECTS.query(record.org, record.id), encodeQueryRecord(record), {
      expectLastSubjectSeq: seq,
    });
    return result.kind === 'appended' ? { kind: 'stored', seq: result.seq } : result;
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
