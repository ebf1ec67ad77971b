import { roleAllows } from '@muster/identity';
import type { StartQuery } from '@muster/messages';
import { AppError, joinSelectors, type QueryId } from '@muster/protocol';
import { z } from 'zod';
import type { Principal } from '../auth/principal.js';
import { cursorParameter, decodeCursor, encodeCursor, limitParameter } from '../http/cursor.js';
import { defineOperation, json, type Operation } from '../http/operation.js';
import { problems, queryIdParameter } from '../http/schemas.js';
import type { QueryClient } from './query-client.js';
import { queryJson } from './query-json.js';
import {
  queryPageSchema,
  querySchema,
  queryStateSchema,
  reducedSchema,
  reduceSchema,
  startQuerySchema,
} from './query-schemas.js';
import type { QueryStore } from './query-store.js';
import { valuesJson } from './result-json.js';

export interface QueryParts {
  readonly client: QueryClient;
  readonly store: QueryStore;
}

const SQL_CODES = [
  'sql_error',
  'sql_not_select',
  'sql_many_statements',
  'sql_missing_constraint',
  'sql_forbidden',
  'sql_too_long',
  'reduce_failed',
  'idempotency_mismatch',
] as const;

/** Asking, looking at and ending queries. */
export function queryOperations(parts: QueryParts): Operation[] {
  return [
    startOperation(parts),
    listOperation(parts),
    showOperation(parts),
    cancelOperation(parts),
    reduceOperation(parts),
  ];
}

function startOperation({ client }: QueryParts): Operation {
  return defineOperation({
    id: 'startQuery',
    method: 'post',
    path: '/v1/queries',
    tag: 'queries',
    action: 'query.start',
    audited: true,
    summary: 'Ask every live endpoint in scope',
    description: 'Answers as soon as the query has started. Follow `/v1/queries/{id}/events` for what comes.',
    access: 'queries:run',
    body: startQuerySchema,
    idempotent: true,
    responses: {
      201: {
        description: 'The query runs.',
        content: { 'application/json': querySchema },
        headers: { location: 'Where the query is.' },
      },
      ...problems(
        'bad_selector',
        'bad_timeout',
        'conflict',
        'too_large',
        'unsupported_media_type',
        'too_many_queries',
        'no_query_service',
        'timeout',
        ...SQL_CODES,
      ),
    },
    handle: async ({ principal, body, note }) => {
      note({ scope: joinSelectors(body.selector, principal.selector), details: { sql: body.sql, mode: body.mode } });
      const record = await client.start(startRequest(principal, body));
      note({ subject: record.id, scope: record.scope });
      return json(201, queryJson(record), { headers: { location: `/v1/queries/${record.id}` } });
    },
  });
}

function startRequest(principal: Principal, body: z.output<typeof startQuerySchema>): StartQuery {
  const { sql, selector, mode, reduce, timeoutMs } = body;
  return {
    t: 'start',
    org: principal.org,
    operator: principal.id,
    operatorName: principal.name,
    sql,
    selector,
    bound: principal.selector ?? '',
    mode,
    timeoutMs,
    ...(reduce === undefined ? {} : { reduce }),
  };
}

function listOperation({ store }: QueryParts): Operation {
  return defineOperation({
    id: 'listQueries',
    method: 'get',
    path: '/v1/queries',
    tag: 'queries',
    action: 'query.list',
    summary: 'Queries of the last week, newest first',
    access: 'queries:read',
    query: z.strictObject({
      state: queryStateSchema.optional(),
      limit: limitParameter(50, 200),
      cursor: cursorParameter,
    }),
    responses: {
      200: { description: 'A page.', content: { 'application/json': queryPageSchema } },
      ...problems('bad_cursor'),
    },
    handle: async ({ principal, query: { state, limit, cursor } }) => {
      const before = cursor === undefined ? undefined : decodeCursor('queries', cursor, [z.string()])[0];
      const records = await store.list(principal, { before, state, limit });
      const items = records.slice(0, limit);
      const last = items.at(-1);
      const more = records.length > limit && last !== undefined;
      return json(200, {
        items: items.map((record) => queryJson(record)),
        ...(more ? { nextCursor: encodeCursor('queries', [last.id]) } : {}),
      });
    },
  });
}

function showOperation({ store }: QueryParts): Operation {
  return defineOperation({
    id: 'showQuery',
    method: 'get',
    path: '/v1/queries/{id}',
    tag: 'queries',
    action: 'query.show',
    summary: 'One query and its ledger, live while it runs',
    access: 'queries:read',
    params: queryIdParameter,
    responses: {
      200: { description: 'The query.', content: { 'application/json': querySchema } },
      ...problems('not_found'),
    },
    handle: async ({ principal, params }) => {
      const record = await store.find(principal, params.id);
      return json(200, queryJson(record, await store.standing(record)));
    },
  });
}

function cancelOperation({ client, store }: QueryParts): Operation {
  return defineOperation({
    id: 'cancelQuery',
    method: 'delete',
    path: '/v1/queries/{id}',
    tag: 'queries',
    action: 'query.cancel',
    audited: true,
    summary: 'Cancel a query; what came is kept',
    description: 'A query that has ended already is left as it is, and the answer is 204.',
    access: 'queries:cancel',
    params: queryIdParameter,
    responses: {
      202: {
        description: 'The query is being ended; its events tell when.',
        content: { 'application/json': querySchema },
      },
      204: { description: 'It had ended already.' },
      ...problems('not_found', 'no_query_service', 'timeout'),
    },
    handle: async ({ principal, params, note }) => {
      note({ subject: params.id });
      const record = await store.find(principal, params.id);
      mayCancel(principal, record.operator);
      note({ scope: record.scope });
      if (record.state !== 'running') return json(204);
      try {
        await client.cancel(record, principal.name);
      } catch (error) {
        // It may have ended between the look and the request.
        const newest = await store.read(record.org, record.id as QueryId);
        if (newest === undefined || newest.state === 'running') throw error;
        return json(204);
      }
      return json(202, queryJson(record, await store.standing(record)));
    },
  });
}

/** Analysts end their own queries; ending those of others takes more. */
function mayCancel(principal: Principal, operator: string): void {
  if (operator === principal.id || roleAllows(principal.role, 'agents:label')) return;
  throw new AppError('forbidden', 'this query is somebody else’s; cancelling it needs the role responder');
}

function reduceOperation({ client, store }: QueryParts): Operation {
  return defineOperation({
    id: 'reduceQuery',
    method: 'post',
    path: '/v1/queries/{id}/reduce',
    tag: 'queries',
    action: 'query.reduce',
    summary: "Run a second SELECT over a query's rows",
    description:
      'The table `rows` has `agent_id`, `host` and the columns of the query; in mode `group` its columns, `endpoints` and `copies`. ' +
      'While the query runs, over the rows so far.',
    access: 'queries:read',
    params: queryIdParameter,
    body: reduceSchema,
    responses: {
      200: { description: 'The rows of the second SELECT.', content: { 'application/json': reducedSchema } },
      ...problems(
        'not_found',
        'too_large',
        'unsupported_media_type',
        'reduce_failed',
        'sql_error',
        'sql_too_long',
        'no_query_service',
        'timeout',
      ),
    },
    handle: async ({ principal, params, body, note }) => {
      note({ subject: params.id, details: { sql: body.sql } });
      const record = await store.find(principal, params.id);
      const { columns, rows, truncated } = await client.reduce(record, body.sql);
      return json(200, { columns, rows: rows.map(valuesJson), truncated });
    },
  });
}
