import type { Log } from '@muster/bus';
import { decodeQueryWire, KEPT, STREAMS, type OrgId, type QueryId, type ResultEvent } from '@muster/protocol';

export interface StoredEvent {
  readonly seq: number;
  readonly event: ResultEvent;
}

/**
 * The events of a query that are kept now, oldest first. Ends after `ended`: what a fenced owner may have written behind it does not count.
 * @throws LogError when the stream cannot be read.
 */
export async function* readResults(
  log: Log,
  query: { readonly org: OrgId; readonly id: QueryId },
  signal?: AbortSignal,
): AsyncGenerator<StoredEvent> {
  const options = { subject: KEPT.result(query.org, query.id), ...(signal === undefined ? {} : { signal }) };
  for await (const entry of log.read(STREAMS.results.name, options)) {
    const event = decodeQueryWire<ResultEvent>(entry.data);
    yield { seq: entry.seq, event };
    if (event.t === 'ended') return;
  }
}
