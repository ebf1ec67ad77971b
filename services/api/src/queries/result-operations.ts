import { EVENT_TYPES, operations } from '@muster/api-contract';
import type { StreamStore } from '@muster/bus';
import type { QueryId } from '@muster/protocol';
import { STREAM_SUBJECTS, STREAMS } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { lastSeen, type Viewers } from '../http/viewers.js';
import { decodeCursor, encodeCursor, position } from '../http/cursor.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { QueryStore } from './query-store.js';
import { failureJson, type EndpointByNum } from './result-json.js';
import { beWhole, failures } from './result-rows.js';
import { ROW_FORMATS, rowPage, rowStream, type RowFormat } from './row-answers.js';
import { queryView } from './query-stream.js';

export interface ResultParts {
  readonly store: QueryStore;
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly byNum: EndpointByNum;
  readonly viewers: Viewers;
}

/** The results of a query: event stream, rows, and endpoints that did not answer. */
export function resultOperations(parts: ResultParts): Operation[] {
  return [eventsOperation(parts), rowsOperation(parts), endpointsOperation(parts)];
}

function eventsOperation(parts: ResultParts): Operation {
  const { store, streams, clock, byNum, viewers } = parts;
  return implement(operations.streamQueryEvents, async ({ principal, params, query, header, negotiate }) => {
    const type = negotiate(...Object.values(EVENT_TYPES));
    const afterSeq = lastSeen(header('last-event-id'), query.after);
    const record = await store.find(principal, params.id);
    if (record.state !== 'running' && afterSeq > 0) {
      const last = await streams.last(STREAMS.results.name, STREAM_SUBJECTS.result(record.org, record.id));
      if (last !== undefined && last.seq <= afterSeq) return json(204);
    }
    const readRecord = () => store.read(record.org, record.id as QueryId);
    return viewers.answer({
      principal,
      format: type === EVENT_TYPES.sse ? 'sse' : 'ndjson',
      subject: record.id,
      events: (signal, heartbeatMs) =>
        queryView(record, { streams, clock, byNum, readRecord, afterSeq, signal, heartbeatMs }),
    });
  });
}

function rowsOperation(parts: ResultParts): Operation {
  const { store } = parts;
  return implement(operations.listQueryRows, async ({ principal, params, query, negotiate, signal }) => {
    const { format = formatOf(negotiate(...Object.values(ROW_FORMATS))), limit, cursor, formulas } = query;
    const record = await store.find(principal, params.id);
    if (format === 'json') return json(200, await rowPage(parts, { record, limit, cursor, signal }));
    await beWhole(parts.streams, record, signal);
    return rowStream(parts, { record, format, escapeFormulas: formulas === 'escape', signal });
  });
}

function formatOf(type: string): RowFormat {
  return type === ROW_FORMATS.ndjson ? 'ndjson' : type === ROW_FORMATS.csv ? 'csv' : 'json';
}

function endpointsOperation({ store, streams, byNum }: ResultParts): Operation {
  return implement(
    operations.listQueryEndpoints,
    async ({ principal, params, query: { outcome, limit, cursor }, signal }) => {
      const record = await store.find(principal, params.id);
      const after = cursor === undefined ? 0 : decodeCursor('endpoints', cursor, [position])[0];
      const all = await failures(streams, record, signal);
      const rest = all.filter(([num, how]) => num > after && (outcome === undefined || how === outcome));
      const last = rest[limit - 1];
      return json(200, {
        state: record.state,
        items: rest.slice(0, limit).map((failure) => failureJson(failure, byNum)),
        ...(rest.length > limit && last !== undefined ? { nextCursor: encodeCursor('endpoints', [last[0]]) } : {}),
      });
    },
  );
}
