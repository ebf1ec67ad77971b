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
 * The same, for readers that must not take a part for the whole. `fromSeq` is the sequence of an event that was read
 * before. What is deleted while it is read goes oldest first, and may overtake the reader: so the first event is looked
 * at again at the end, and where the reader leaves earlier.
 * @throws AppError `results_expired`: events at the beginning are not kept any more, or some went while they were read.
 * StreamError when the stream cannot be read.
 */
export async function* readWholeResults(
  streams: StreamStore,
  query: QueryRecord,
  options: ReadResultsOptions = {},
): AsyncGenerator<StoredEvent> {
  const { fromSeq = 1, signal } = options;
  let first: number | undefined;
  let last: number | undefined;
  let state: 'reading' | 'read' | 'failed' = 'reading';
  try {
    for await (const stored of readResults(streams, query, options)) {
      const isFirst = first === undefined;
      if (isFirst && !(fromSeq > 1 ? stored.seq === fromSeq : isBeginning(stored.event, query))) throw expired(query);
      first ??= stored.seq;
      last = stored.seq;
      yield stored;
    }
    state = 'read';
  } catch (error) {
    state = 'failed';
    throw error;
  } finally {
    // Who left after the first event has missed none, and who was told to stop has not seen that there is nothing.
    const isAsked = state === 'read' || (state === 'reading' && last !== first);
    if (isAsked && signal?.aborted !== true) await beStillKept(streams, query, { first, signal });
  }
}

/** @throws AppError `results_expired`; StreamError */
async function beStillKept(
  streams: StreamStore,
  query: QueryRecord,
  { first, signal }: { readonly first: number | undefined; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const isKept =
    first === undefined
      ? query.state === 'running' || !hadResults(query)
      : await isStillKept(streams, query, { seq: first, signal });
  if (!isKept) throw expired(query);
}

/**
 * Whether an event of a query is kept yet. The oldest go first, by age, by size and where results are deleted: so those
 * after it are kept too, and who began with it and has read on has missed none.
 * @throws StreamError
 */
export async function isStillKept(
  streams: StreamStore,
  query: { readonly org: OrgId; readonly id: QueryId },
  { seq, signal }: { readonly seq: number; readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  const subject = STREAM_SUBJECTS.result(query.org, query.id);
  const options = { subject, fromSeq: seq, batch: 1, ...(signal === undefined ? {} : { signal }) };
  for await (const next of streams.read(STREAMS.results.name, options)) return next.seq === seq;
  // Who is told to stop reads to no end.
  return signal?.aborted === true;
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
