import type { RowShape } from '@muster/api-contract';
import { queryEvents, type QueryEventsOptions } from './query-events.js';
import { queryJson } from './query-json.js';
import { eventPieces, type EndpointByNum } from './result-json.js';
import type { QueryRecord } from '@muster/records';
import type { StreamItem } from '../http/viewers.js';

/** The events of a query as JSON for viewers. */
export async function* queryView(
  record: QueryRecord,
  { byNum, shape, ...options }: QueryEventsOptions & { readonly byNum: EndpointByNum; readonly shape: RowShape },
): AsyncGenerator<StreamItem> {
  for await (const item of queryEvents(record, options)) {
    switch (item.kind) {
      case 'idle':
        yield item;
        break;
      case 'synthesized_end': {
        const event = { event: 'ended', seq: null, query: queryJson(item.record), synthesized: true };
        // Without an id, so that a viewer that reconnects resumes after the last stored event.
        yield {
          kind: 'event',
          name: 'ended',
          pieces: [JSON.stringify(event)],
          ...(item.record.state === 'interrupted' ? { how: 'interrupted' } : {}),
        };
        break;
      }
      case 'event': {
        const { event, seq } = item;
        const pieces = eventPieces(event, { seq, columns: record.columns, shape, byNum });
        yield { kind: 'event', name: event.t, id: seq, pieces };
      }
    }
  }
}
