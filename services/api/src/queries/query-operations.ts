import { operations } from '@muster/api-contract';
import type { z } from 'zod';
import { roleAllows } from '@muster/identity';
import type { StartQuery } from '@muster/messages';
import { AppError, joinSelectors, type QueryId } from '@muster/protocol';
import type { KnownHealth } from '../agents/known-health.js';
import type { Principal } from '../http/principal.js';
import { decodeCursor, encodeCursor, idPosition } from '../http/cursor.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { QueryClient } from '../upstream/query-client.js';
import { queryJson } from './query-json.js';
import type { QueryStore } from './query-store.js';
import { valuesJson } from './result-json.js';

export interface QueryParts {
  readonly client: QueryClient;
  readonly store: QueryStore;
  readonly health: Pick<KnownHealth, 'among'>;
}

/** Starting, listing, showing, cancelling and reducing queries. */
export function queryOperations(parts: QueryParts): Operation[] {
  return [
    startOperation(parts),
    listOperation(parts),
    showOperation(parts),
    cancelOperation(parts),
    reduceOperation(parts),
  ];
}

function startOperation({ client, health }: QueryParts): Operation {
  return implement(operations.startQuery, async ({ principal, body, note, queryId, trace }) => {
    note({ scope: joinSelectors(body.selector, principal.selector), details: { sql: body.sql, mode: body.mode } });
    const among = await health.among(principal.org, body.selector);
    const request = { ...startRequest(principal, body), ...among, ...trace };
    const first = await client.start({ ...request, ...(queryId === undefined ? {} : { id: queryId }) });
    // An earlier attempt under this key began, and broke off before its caller heard of it.
    const record = queryId !== undefined && first.state === 'interrupted' ? await client.start(request) : first;
    note({ subject: record.id, scope: record.scope });
    return json(201, queryJson(record), { headers: { location: `/v1/queries/${record.id}` } });
  });
}

function startRequest(principal: Principal, body: z.output<typeof operations.startQuery.body>): StartQuery {
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
  return implement(operations.listQueries, async ({ principal, query: { state, limit, cursor } }) => {
    const before = cursor === undefined ? undefined : decodeCursor('queries', cursor, [idPosition])[0];
    const records = await store.list(principal, { before, state, limit });
    const items = records.slice(0, limit);
    const last = items.at(-1);
    const more = records.length > limit && last !== undefined;
    return json(200, {
      items: items.map((record) => queryJson(record)),
      ...(more ? { nextCursor: encodeCursor('queries', [last.id]) } : {}),
    });
  });
}

function showOperation({ store }: QueryParts): Operation {
  return implement(operations.showQuery, async ({ principal, params }) => {
    const record = await store.find(principal, params.id);
    return json(200, queryJson(record, await store.progress(record)));
  });
}

function cancelOperation({ client, store }: QueryParts): Operation {
  return implement(operations.cancelQuery, async ({ principal, params, note, trace }) => {
    note({ subject: params.id });
    const record = await store.find(principal, params.id);
    mayCancel(principal, record.operator);
    note({ scope: record.scope });
    if (record.state !== 'running') return json(204);
    try {
      await client.cancel(record, principal.name, trace);
    } catch (error) {
      // It may have ended between the read and the request.
      const newest = await store.read(record.org, record.id as QueryId);
      if (newest === undefined || newest.state === 'running') throw error;
      return json(204);
    }
    return json(202, queryJson(record, await store.progress(record)));
  });
}

/** Analysts cancel their own queries. Cancelling those of others needs the role responder. */
function mayCancel(principal: Principal, operator: string): void {
  if (operator === principal.id || roleAllows(principal.role, 'agents:label')) return;
  throw new AppError('forbidden', 'this query is somebody else’s; cancelling it needs the role responder');
}

function reduceOperation({ client, store }: QueryParts): Operation {
  return implement(operations.reduceQuery, async ({ principal, params, body, note, signal, trace }) => {
    note({ subject: params.id, details: { sql: body.sql } });
    const record = await store.find(principal, params.id);
    const options = { operator: principal.id, signal, trace };
    const { columns, rows, truncated } = await client.reduce(record, body.sql, options);
    return json(200, { columns, rows: rows.map(valuesJson), truncated });
  });
}
