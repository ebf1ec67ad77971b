import { EVENT_TYPES, operations } from '@muster/api-contract';
import type { StreamStore } from '@muster/bus';
import { AppError, type QueryId } from '@muster/protocol';
import { STREAM_SUBJECTS, STREAMS } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { lastSeen, type Viewers } from '../http/viewers.js';
import { decodeCursor, encodeCursor, position } from '../http/cursor.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { QueryStore } from './query-store.js';
import { endpointStates } from './endpoint-states.js';
import { ledgerJson } from './query-json.js';
import { unansweredJson, warningJson, type EndpointByNum } from './result-json.js';
import { answerWarnings, beWhole } from './result-rows.js';
import { retryChain } from './retry.js';
import { cborRowPage, ROW_FORMATS, rowPage, rowLines, type RowFormat } from './row-answers.js';
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
  return [
    eventsOperation(parts),
    rowsOperation(parts),
    endpointsOperation(parts),
    warningsOperation(parts),
    deleteOperation(parts),
  ];
}

function eventsOperation(parts: ResultParts): Operation {
  const { store, streams, clock, byNum, viewers } = parts;
  return implement(operations.streamQueryEvents, async ({ principal, params, query, header, negotiate, signal }) => {
    const type = negotiate(...Object.values(EVENT_TYPES));
    const afterSeq = lastSeen(header('last-event-id'), query.after);
    const record = await store.findReadable(principal, params.id);
    if (record.state !== 'running' && afterSeq > 0) {
      const last = await streams.last(STREAMS.results.name, STREAM_SUBJECTS.result(record.org, record.id));
      if (last !== undefined && last.seq <= afterSeq) return json(204);
    }
    // As an answer: a stream could only break off, and its reader would come back.
    if (record.state === 'running' && afterSeq === 0) await beWhole(streams, record, signal);
    const readRecord = () => store.read(record.org, record.id as QueryId);
    return viewers.answer({
      principal,
      format: type === EVENT_TYPES.sse ? 'sse' : 'ndjson',
      subject: record.id,
      events: (closed, heartbeatMs) =>
        queryView(record, {
          ...{ streams, clock, byNum, readRecord, afterSeq, heartbeatMs },
          ...{ signal: closed, shape: query.rows },
        }),
    });
  });
}

function rowsOperation(parts: ResultParts): Operation {
  const { store } = parts;
  return implement(operations.listQueryRows, async ({ principal, params, query, negotiate, signal }) => {
    const { format = formatOf(negotiate(...Object.values(ROW_FORMATS))), limit, cursor, formulas, rows: shape } = query;
    const record = await store.findReadable(principal, params.id);
    const chain = query.merged ? await retryChain(store, principal, record) : [record];
    const page = { record, chain, limit, cursor, shape, signal };
    if (format === 'json') return json(200, await rowPage(parts, page));
    if (format === 'cbor') return cborRowPage(parts, page);
    for (const one of chain) await beWhole(parts.streams, one, signal);
    return rowLines(parts, { record, chain, format, shape, escapeFormulas: formulas === 'escape', signal });
  });
}

function formatOf(type: string): RowFormat {
  const formats = Object.keys(ROW_FORMATS) as RowFormat[];
  return formats.find((format) => ROW_FORMATS[format] === type) ?? 'json';
}

function endpointsOperation({ store, streams, byNum }: ResultParts): Operation {
  return implement(
    operations.listQueryEndpoints,
    async ({ principal, params, query: { outcome, merged, limit, cursor }, signal }) => {
      const record = await store.findReadable(principal, params.id);
      const after = cursor === undefined ? 0 : decodeCursor('endpoints', cursor, [position])[0];
      const chain = merged ? await retryChain(store, principal, record) : [record];
      const { failures, waiting, ledger } = await endpointStates(streams, chain, signal);
      const all = outcome === 'waiting' ? waiting.map((num) => [num, 'waiting', '', ''] as const) : failures;
      const rest = all.filter(([num, how]) => num > after && (outcome === undefined || how === outcome));
      const last = rest[limit - 1];
      return json(200, {
        state: record.state,
        ...(merged ? { ledger: ledgerJson(ledger) } : {}),
        items: rest.slice(0, limit).map((one) => unansweredJson(one, byNum)),
        ...(rest.length > limit && last !== undefined ? { nextCursor: encodeCursor('endpoints', [last[0]]) } : {}),
      });
    },
  );
}

function warningsOperation({ store, streams, byNum }: ResultParts): Operation {
  return implement(
    operations.listQueryWarnings,
    async ({ principal, params, query: { merged, limit, cursor }, signal }) => {
      const record = await store.findReadable(principal, params.id);
      const from = cursor === undefined ? 0 : decodeCursor('warnings', cursor, [position])[0];
      const chain = merged ? await retryChain(store, principal, record) : [record];
      const all = await answerWarnings(streams, chain, signal);
      const end = from + limit;
      return json(200, {
        state: record.state,
        items: all.slice(from, end).map((one) => warningJson(one, byNum)),
        ...(all.length > end ? { nextCursor: encodeCursor('warnings', [end]) } : {}),
      });
    },
  );
}

function deleteOperation({ store, streams }: ResultParts): Operation {
  return implement(operations.deleteQueryResults, async ({ principal, params, note, noteFirst }) => {
    note({ subject: params.id });
    const record = await store.find(principal, params.id);
    note({ scope: record.scope, details: { sql: record.sql, rows: record.rows } });
    const isAdmin = principal.role === 'admin' && principal.bound.length === 0;
    if (record.operator !== principal.id && !isAdmin)
      throw new AppError('forbidden', 'this query is somebody else’s; deleting its results needs an admin');
    if (record.state === 'running')
      throw new AppError('conflict', `query ${record.id} still runs; its results can be deleted when it has ended`);
    await noteFirst();
    try {
      // The oldest first: without its beginning a reader refuses the rest.
      await streams.purge(STREAMS.results.name, STREAM_SUBJECTS.result(record.org, record.id));
    } catch (cause) {
      throw new AppError('broker_unavailable', 'not all results are deleted yet; try again', { cause });
    }
    return json(204);
  });
}
