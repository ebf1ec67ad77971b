import { StreamError } from '@muster/bus';
import type { QueryRecord } from '@muster/records';
import type { StoredQuery } from '@muster/service-base';
import type { QueryRecordStore } from './query-record-store.js';

/**
 * `behind`: nothing was stored, because an earlier version of this process was, whose acknowledgement was lost. It is
 * known now; look at it, and store again what it lacks. `conflict`: another process has written. `unavailable`: it may
 * be stored.
 */
export type OwnStoreResult = 'stored' | 'behind' | 'conflict' | 'unavailable';

/** The record of a query that this process coordinates, written many times. Calls must not overlap. */
export class OwnRecord {
  readonly #records: Pick<QueryRecordStore, 'store' | 'get'>;
  #stored: StoredQuery;

  constructor(records: Pick<QueryRecordStore, 'store' | 'get'>, stored: StoredQuery) {
    this.#records = records;
    this.#stored = stored;
  }

  /** The newest version that is known to be stored. */
  get record(): QueryRecord {
    return this.#stored.record;
  }

  /** Stores the next version. Never throws when the broker fails. */
  async store(record: QueryRecord): Promise<OwnStoreResult> {
    const result = await this.#records.store(record, this.#stored.seq);
    if (result.kind === 'stored') this.#stored = { record, seq: result.seq };
    return result.kind === 'conflict' ? this.#look() : result.kind;
  }

  async #look(): Promise<OwnStoreResult> {
    const { record, seq } = this.#stored;
    try {
      const newest = await this.#records.get(record.org, record.id);
      const isOwn = newest?.record.owner === record.owner && newest.record.state === 'running' && newest.seq > seq;
      if (!isOwn) return 'conflict';
      this.#stored = newest;
      return 'behind';
    } catch (error) {
      if (error instanceof StreamError) return 'unavailable';
      throw error;
    }
  }
}
