import { OUTCOMES } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { queryIdParameter } from './fields.js';
import { defineOperations, eventStream, jsonAnswer } from './operation.js';
import { afterParameter, beganFilters, cursorParameter, limitParameter } from './paging.js';
import { queryWaitSchema, startedQuerySchema } from './query-results.js';
import {
  queryFailurePageSchema,
  queryEventSchema,
  queryPageSchema,
  querySchema,
  queryStateSchema,
  reducedSchema,
  reduceRequestSchema,
  rowLineSchema,
  rowPageSchema,
  rowShapeParameter,
  queryWarningPageSchema,
  startQuerySchema,
} from './query.js';

const SQL_PROBLEMS = [
  'sql_error',
  'sql_not_select',
  'sql_many_statements',
  'sql_missing_constraint',
  'sql_forbidden',
  'sql_too_long',
  'sql_too_wide',
  'reduce_failed',
  'idempotency_mismatch',
] as const;

const mergedParameter = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true')
  .meta({ description: 'Of a query with `retryOf`: its rows and those of the queries that it asks again, as one.' });

export const queryOperations = defineOperations('queries', {
  startQuery: {
    method: 'post',
    path: '/v1/queries',
    action: 'query.start',
    audited: true,
    summary: 'Ask every connected endpoint in scope, or hunt for the absent ones too',
    description:
      'Answers as soon as the query has started. Follow `/v1/queries/{id}/events` for what comes. With `wait=10s` the answer waits for the end and has ' +
      'the rows, as objects; `state` tells whether it has ended. A repeat under the same idempotency key has the query without `results`. ' +
      'With `waitUntil` in the body it is a hunt, which survives restarts and ends at that time, when every endpoint has settled, or when it is cancelled.',
    access: 'queries:run',
    query: queryWaitSchema,
    body: startQuerySchema,
    idempotent: 'query_id',
    answers: {
      201: {
        description: 'The query runs, or has ended while the answer waited.',
        content: { 'application/json': startedQuerySchema },
        headers: { location: 'Where the query is.' },
      },
    },
    problems: [
      'bad_selector',
      'bad_timeout',
      'conflict',
      'too_large',
      'unsupported_media_type',
      'table_forbidden',
      'too_many_queries',
      'no_query_service',
      'no_telemetry_service',
      'timeout',
      ...SQL_PROBLEMS,
    ],
  },
  listQueries: {
    method: 'get',
    path: '/v1/queries',
    action: 'query.list',
    summary: 'Queries that are kept (30 days unless set otherwise), newest first',
    access: 'queries:read',
    query: z.strictObject({
      state: queryStateSchema.optional(),
      ...beganFilters,
      limit: limitParameter(50, 200),
      cursor: cursorParameter,
    }),
    answers: { 200: jsonAnswer('A page.', queryPageSchema) },
    problems: ['bad_cursor'],
  },
  showQuery: {
    method: 'get',
    path: '/v1/queries/{id}',
    action: 'query.show',
    summary: 'One query and its ledger, live while it runs',
    access: 'queries:read',
    params: queryIdParameter,
    answers: { 200: jsonAnswer('The query.', querySchema) },
    problems: ['not_found'],
  },
  cancelQuery: {
    method: 'delete',
    path: '/v1/queries/{id}',
    action: 'query.cancel',
    audited: true,
    summary: 'Cancel a query; what came is kept',
    description: 'A query that has ended already is left as it is, and the answer is 204.',
    access: 'queries:cancel',
    params: queryIdParameter,
    answers: {
      202: jsonAnswer('The query is being ended; its events tell when.', querySchema),
      204: { description: 'It had ended already.' },
    },
    problems: ['not_found', 'no_query_service', 'timeout'],
  },
  deleteQueryResults: {
    method: 'delete',
    path: '/v1/queries/{id}/results',
    action: 'query.delete_results',
    audited: true,
    summary: 'Delete rows, outcomes and reductions of a query; its record stays',
    description:
      'Of a query that has ended: of one’s own, or as an admin whom no selector bounds of anybody’s. Reading them is then refused with `results_expired`. What was broken off is finished by a repeat.',
    access: 'queries:cancel',
    params: queryIdParameter,
    answers: { 204: { description: 'They are gone.' } },
    problems: ['not_found', 'conflict'],
  },
  reduceQuery: {
    method: 'post',
    path: '/v1/queries/{id}/reduce',
    action: 'query.reduce',
    summary: "Run a second SELECT over a query's rows",
    description:
      'The table `rows` has `agent_id`, `host` and the columns of the query; in mode `group` its columns, `endpoints` and `copies`. ' +
      'While the query runs, over the rows so far.',
    access: 'queries:read',
    params: queryIdParameter,
    body: reduceRequestSchema,
    answers: { 200: jsonAnswer('The rows of the second SELECT.', reducedSchema) },
    problems: [
      'not_found',
      'conflict',
      'table_forbidden',
      'results_expired',
      'too_large',
      'unsupported_media_type',
      'reduce_failed',
      'sql_error',
      'sql_too_long',
      'sql_too_wide',
      'too_many_queries',
      'no_query_service',
      'timeout',
    ],
  },
  streamQueryEvents: {
    method: 'get',
    path: '/v1/queries/{id}/events',
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
      rows: rowShapeParameter,
    }),
    ...eventStream(queryEventSchema, 'The query has ended, and there is no later event.'),
    problems: ['not_found', 'table_forbidden', 'results_expired', 'not_acceptable', 'draining'],
  },
  listQueryRows: {
    method: 'get',
    path: '/v1/queries/{id}/rows',
    action: 'query.rows',
    summary: 'The rows of a query: a page, or all of them as NDJSON, CSV or a CBOR sequence',
    description:
      'JSON and `application/cbor` are paged. `application/x-ndjson`, `text/csv` and `application/cbor-seq` (by `Accept` or `format`) give everything that is kept by now. ' +
      'CSV values are exact (RFC 4180; NULL is nothing, the empty text `""`, a blob `X\'hex\'`). Text that begins with =, +, - or @ is ' +
      'run as a formula by spreadsheets: ask for `formulas=escape` to have an apostrophe put before it. ' +
      'Columns in raw mode: `agent_id`, `host`, then those of the query; in group mode `endpoints`, `copies`, `sample` (hosts, between blanks), then ' +
      'those of the query. With `rows=objects` each row is an object by column name, as `muster query -o ndjson` prints it, and NDJSON has no line of columns. ' +
      'CBOR (RFC 8949) has the members of JSON, a CBOR sequence (RFC 8742) one item for each line of NDJSON; the values are those that the endpoint sent: integers of 64 bits, ' +
      'floats with infinities, blobs as byte strings. Problems are JSON in every case.',
    access: 'queries:read',
    params: queryIdParameter,
    query: z.strictObject({
      format: z
        .enum(['json', 'ndjson', 'csv', 'cbor', 'cbor-seq'])
        .optional()
        .meta({ description: 'Instead of `Accept`.' }),
      formulas: z.enum(['exact', 'escape']).default('exact').meta({ description: 'CSV only.' }),
      rows: rowShapeParameter,
      merged: mergedParameter,
      limit: limitParameter(1_000, 10_000),
      cursor: cursorParameter,
    }),
    answers: {
      200: {
        description: 'Rows.',
        content: {
          'application/json': rowPageSchema,
          'application/x-ndjson': rowLineSchema,
          'text/csv': undefined,
          'application/cbor': undefined,
          'application/cbor-seq': undefined,
        },
      },
    },
    problems: ['bad_cursor', 'not_found', 'table_forbidden', 'conflict', 'results_expired', 'not_acceptable'],
  },
  listQueryEndpoints: {
    method: 'get',
    path: '/v1/queries/{id}/endpoints',
    action: 'query.endpoints',
    summary: 'Who did not answer, and why; with `outcome=waiting` who is waited for',
    access: 'queries:read',
    params: queryIdParameter,
    query: z.strictObject({
      outcome: z
        .enum([...OUTCOMES, 'waiting'])
        .optional()
        .meta({ description: '`waiting`: those that were asked and have not answered yet.' }),
      merged: mergedParameter,
      limit: limitParameter(1_000, 10_000),
      cursor: cursorParameter,
    }),
    answers: { 200: jsonAnswer('A page, in the order of enrolment.', queryFailurePageSchema) },
    problems: ['bad_cursor', 'not_found', 'table_forbidden', 'conflict', 'results_expired'],
  },
  listQueryWarnings: {
    method: 'get',
    path: '/v1/queries/{id}/warnings',
    action: 'query.warnings',
    summary: 'What answers lack: what could not be read, and searches that were not finished',
    access: 'queries:read',
    params: queryIdParameter,
    query: z.strictObject({
      merged: mergedParameter,
      limit: limitParameter(1_000, 10_000),
      cursor: cursorParameter,
    }),
    answers: { 200: jsonAnswer('A page, in the order in which they came.', queryWarningPageSchema) },
    problems: ['bad_cursor', 'not_found', 'table_forbidden', 'conflict', 'results_expired'],
  },
});
