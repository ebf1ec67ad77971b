import type { StreamStore } from '@muster/bus';
import type { OrgId, QueryId } from '@muster/protocol';
import { decodeQueryRecord, STREAM_SUBJECTS, STREAMS, type ResultEvent } from '@muster/records';

export interface StoredEvent {
  readonly seq: number;
  readonly event: ResultEvent;
}

/**
 * The stored events of a query, oldest first. Ends after `ended`: what a fenced coordinator may have written behind it does not count.
 * @throws StreamError when the stream cannot be read.
 */
export async function* readResults(
  streams: StreamStore,
  query: { readonly org: OrgId; readonly id: QueryId },
  signal?: AbortSignal,
): AsyncGenerator<StoredEvent> {
  const options = { subject: STREAM_SUBJECTS.result(query.org, query.id), ...(signal === undefined ? {} : { signal }) };
  for await (const entry of streams.read(STREAMS.results.name, options)) {
    const event = decodeQueryRecord<ResultEvent>(entry.data);
    yield { seq: entry.seq, event };
    if (event.t === 'ended') return;
  }
}
