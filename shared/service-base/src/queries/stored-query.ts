import type { StreamStore } from '@muster/bus';
import { encodeQueryRecord, STREAM_SUBJECTS, type QueryRecord } from '@muster/records';

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

/** Stores a version of a record; `seq` is that of the previous version, 0 for the first. */
export async function storeQueryRecord(
  streams: Pick<StreamStore, 'append'>,
  record: QueryRecord,
  seq: number,
): Promise<StoreResult> {
  const result = await streams.append(STREAM_SUBJECTS.query(record.org, record.id), encodeQueryRecord(record), {
    expectLastSubjectSeq: seq,
    ...(record.state === 'running' ? {} : { essential: true }),
  });
  return result.kind === 'appended' ? { kind: 'stored', seq: result.seq } : result;
}
