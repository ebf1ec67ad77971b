import type { StreamStore } from '@muster/bus';
import { OUTCOMES, type QueryId } from '@muster/protocol';
import { STREAM_SUBJECTS, STREAMS } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { z } from 'zod';
import {
  afterParameter,
  cursorParameter,
  decodeCursor,
  encodeCursor,
  limitParameter,
  position,
} from '../http/cursor.js';
import { EVENT_TYPES, lastSeen, type Viewers } from '../http/viewers.js';
import { defineOperation, json, type Answer, type Operation } from '../http/operation.js';
import { problems, queryIdParameter } from '../http/schemas.js';
import type { QueryStore } from './query-store.js';
import { failureJson, type EndpointByNum } from './result-json.js';
import { failurePageSchema, queryEventSchema, rowLineSchema, rowPageSchema } from './query-schemas.js';
import { failures } from './result-rows.js';
import { ROW_FORMATS, rowPage, rowStream, type RowFormat } from './row-answers.js';
import type { QueryClient } from './query-client.js';
import { queryView } from './query-view.js';

export interface ResultParts {
  readonly store: QueryStore;
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly byNum: EndpointByNum;
  readonly viewers: Viewers;
  readonly client: Pick<QueryClient, 'guardian'>;
  /** A running query that says nothing for this long is asked after. */
  readonly silenceMs: number;
}

/** What came of a query: as it comes, as rows, and who is missing. */
export function resultOperations(parts: ResultParts): Operation[] {
  return [eventsOperation(parts), rowsOperation(parts), endpointsOperation(parts)];
}

function eventsOperation(parts: ResultParts): Operation {
  const { store, streams, clock, client, byNum, viewers, silenceMs } = parts;
  return defineOperation({
    id: 'streamQueryEvents',
    method: 'get',
    path: '/v1/queries/{id}/events',
    tag: 'queries',
    action: 'query.events',
    summary: 'Everything that happens to a query, as it happens',
    description:
      'Server-sent events, or one JSON object per line with `Accept: application/x-ndjson`. The stream ends after `ended`. A reader ' +
      'who was cut off goes on with `Last-Event-ID` or `after`; when there is nothing more, the answer is 204, which tells an ' +
      'EventSource to stay away. A reader who takes nothing for a minute is cut off, and the stream of a token that is revoked or ' +
      'expires ends.',
    access: 'queries:read',
    params: queryIdParameter,
    query: z.strictObject({
      after: afterParameter,
    }),
    headers: { 'Last-Event-ID': 'The id of the last event that was seen.' },
    responses: {
      200: {
        description: 'Events. In `text/event-stream`, `data` is the same object as a line of `application/x-ndjson`.',
        content: { 'text/event-stream': undefined, 'application/x-ndjson': queryEventSchema },
      },
      204: { description: 'The query has ended, and there is no later event.' },
      ...problems('not_found', 'not_acceptable', 'draining'),
    },
    handle: async ({ principal, params, query, header, negotiate }): Promise<Answer> => {
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
          queryView(record, { streams, clock, client, byNum, readRecord, afterSeq, signal, heartbeatMs, silenceMs }),
      });
    },
  });
}

function rowsOperation(parts: ResultParts): Operation {
  const { store } = parts;
  return defineOperation({
    id: 'listQueryRows',
    method: 'get',
    path: '/v1/queries/{id}/rows',
    tag: 'queries',
    action: 'query.rows',
    summary: 'The rows of a query: a page, or all of them as NDJSON or CSV',
    description:
      'JSON is paged. `application/x-ndjson` and `text/csv` (by `Accept` or `format`) give everything that is kept by now. ' +
      'CSV values are exact (RFC 4180; NULL is nothing, the empty text `""`, a blob `X\'hex\'`). Text that begins with =, +, - or @ is ' +
      'run as a formula by spreadsheets: ask for `formulas=escape` to have an apostrophe put before it. ' +
      'Columns in raw mode: `agent_id`, `host`, then those of the query; in group mode `endpoints`, `copies`, `sample` (hosts, between blanks), then ' +
      'those of the query.',
    access: 'queries:read',
    params: queryIdParameter,
    query: z.strictObject({
      format: z.enum(['json', 'ndjson', 'csv']).optional().meta({ description: 'Instead of `Accept`.' }),
      formulas: z.enum(['exact', 'escape']).default('exact').meta({ description: 'CSV only.' }),
      limit: limitParameter(1_000, 10_000),
      cursor: cursorParameter,
    }),
    responses: {
      200: {
        description: 'Rows.',
        content: { 'application/json': rowPageSchema, 'application/x-ndjson': rowLineSchema, 'text/csv': undefined },
      },
      ...problems('bad_cursor', 'not_found', 'not_acceptable'),
    },
    handle: async ({ principal, params, query, negotiate, signal }) => {
      const { format = formatOf(negotiate(...Object.values(ROW_FORMATS))), limit, cursor, formulas } = query;
      const record = await store.find(principal, params.id);
      if (format === 'json') return json(200, await rowPage(parts, { record, limit, cursor, signal }));
      return rowStream(parts, { record, format, escapeFormulas: formulas === 'escape', signal });
    },
  });
}

function formatOf(type: string): RowFormat {
  return type === ROW_FORMATS.ndjson ? 'ndjson' : type === ROW_FORMATS.csv ? 'csv' : 'json';
}

function endpointsOperation({ store, streams, byNum }: ResultParts): Operation {
  return defineOperation({
    id: 'listQueryEndpoints',
    method: 'get',
    path: '/v1/queries/{id}/endpoints',
    tag: 'queries',
    action: 'query.endpoints',
    summary: 'Who did not answer, and why',
    access: 'queries:read',
    params: queryIdParameter,
    query: z.strictObject({
      outcome: z.enum(OUTCOMES).optional(),
      limit: limitParameter(1_000, 10_000),
      cursor: cursorParameter,
    }),
    responses: {
      200: { description: 'A page, in the order of enrolment.', content: { 'application/json': failurePageSchema } },
      ...problems('bad_cursor', 'not_found'),
    },
    handle: async ({ principal, params, query: { outcome, limit, cursor }, signal }) => {
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
  });
}
