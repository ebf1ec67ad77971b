import type { StreamStore } from '@muster/bus';
import { AppError, type OrgId, type QueryId } from '@muster/protocol';
import { decodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord, type ResultEvent } from '@muster/records';

export interface StoredEvent {
  readonly seq: number;
  readonly event: ResultEvent;
}

export interface ReadResultsOptions {
  /** The first sequence that is of interest; default: from the beginning. */
  readonly fromSeq?: number;
  /** How many entries are fetched ahead. */
  readonly batch?: number;
  readonly signal?: AbortSignal;
}

/**
 * The stored events of a query, oldest first. Ends after `ended`: what a fenced coordinator may have written behind it does not count.
 * The first ones may be missing: the stream drops its oldest entries by age and size.
 * @throws StreamError when the stream cannot be read.
 */
export async function* readResults(
  streams: StreamStore,
  query: { readonly org: OrgId; readonly id: QueryId },
  options: ReadResultsOptions = {},
): AsyncGenerator<StoredEvent> {
  const subject = STREAM_SUBJECTS.result(query.org, query.id);
  for await (const entry of streams.read(STREAMS.results.name, { subject, ...options })) {
    const event = decodeQueryRecord<ResultEvent>(entry.data);
    yield { seq: entry.seq, event };
    if (event.t === 'ended') return;
  }
}

/**
 * The same, for readers that must not take a part for the whole. `fromSeq` is the sequence of an event that was read before.
 * @throws AppError `results_expired`: events at the beginning are not kept any more. StreamError when the stream cannot be read.
 */
export async function* readWholeResults(
  streams: StreamStore,
  query: QueryRecord,
  options: ReadResultsOptions = {},
): AsyncGenerator<StoredEvent> {
  const { fromSeq = 1 } = options;
  let isFirst = true;
  for await (const stored of readResults(streams, query, options)) {
    if (isFirst && !(fromSeq > 1 ? stored.seq === fromSeq : isBeginning(stored.event, query))) throw expired(query);
    isFirst = false;
    yield stored;
  }
  // Who has stopped reading has not seen that there is nothing.
  if (options.signal?.aborted === true) return;
  if (isFirst && query.state !== 'running' && hadResults(query)) throw expired(query);
}

/** Whether this is the first event that was written of the query. */
export function isBeginning(event: ResultEvent, query: QueryRecord): boolean {
  // A coordinator that died at once has written nothing before the end.
  return event.t === 'started' || (event.t === 'ended' && !hadResults(query));
}

function hadResults({ ledger }: QueryRecord): boolean {
  return ledger.targeted > 0;
}

function expired({ id }: QueryRecord): AppError {
  return new AppError(
    'results_expired',
    `rows and outcomes of query ${id} are not kept any more, or not all; ask again`,
  );
}
