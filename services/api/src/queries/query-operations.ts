import { operations, readSqlParameters, sqlParametersJson } from '@muster/api-contract';
import type { z } from 'zod';
import { roleAllows } from '@muster/identity';
import type { StartQuery } from '@muster/messages';
import type { Directory } from '@muster/directory';
import { AppError, joinSelectors, type QueryId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { KnownHealth } from '../agents/known-health.js';
import type { Principal } from '../http/principal.js';
import { decodeCursor, encodeCursor, idPosition } from '../http/cursor.js';
import { given } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { QueryClient } from '../upstream/query-client.js';
import type { BudgetPolicy } from './budget-policy.js';
import { namedAgents } from './named-agents.js';
import { queryJson } from './query-json.js';
import type { QueryStore } from './query-store.js';
import type { RetentionPolicy } from './retention-policy.js';
import { retryChain, retryOf } from './retry.js';
import type { TablePolicy } from './table-policy.js';
import { valuesJson } from './result-json.js';
import { waitForResults, type WaitParts } from './waited-results.js';

export interface QueryParts extends WaitParts {
  readonly client: QueryClient;
  readonly store: QueryStore;
  readonly health: Pick<KnownHealth, 'among'>;
  readonly directory: Pick<Directory, 'byId' | 'endpoints'>;
  readonly policy: TablePolicy;
  readonly budgets: BudgetPolicy;
  readonly retention: Pick<RetentionPolicy, 'checkWaitUntil'>;
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

function startOperation(parts: QueryParts): Operation {
  const { client, policy, budgets, retention, clock } = parts;
  return implement(operations.startQuery, async ({ principal, body: asked, query, note, queryId, signal, trace }) => {
    const { outcome: outcomes, ...rest } = asked;
    const id = rest.retryOf;
    const retry = id === undefined ? undefined : await retryOf(parts, principal, { id, outcomes, signal });
    const body =
      retry === undefined
        ? rest
        : { ...given('budget', retry.original.budget), ...rest, ...questionOf(retry.original) };
    const { sql, mode, parameters } = body;
    const details = {
      ...{ sql, mode, ...given('parameters', parameters) },
      ...{ ...given('agents', asked.agents?.length), ...given('budget', body.budget) },
    };
    note({ scope: joinSelectors(body.selector, principal.selector), details });
    budgets.check(principal, body.budget);
    retention.checkWaitUntil(principal.org, body.waitUntilMs, clock.now());
    const among =
      retry === undefined
        ? await amongOf(parts, principal, body)
        : { among: retry.among, retryOf: retry.original.id, ...given('pack', retry.original.pack) };
    const sensitivities = policy.allowed(principal);
    const request = { ...startRequest(principal, body), sensitivities, ...among, ...trace };
    // A query service of the version before does not check it.
    if (policy.mentionsForbidden(principal, body.sql))
      policy.checkAsk(principal, (await client.compile(request)).tables);
    const first = await client.start({ ...request, ...(queryId === undefined ? {} : { id: queryId }) });
    // An earlier attempt under this key began, and broke off before its caller heard of it.
    const record = queryId !== undefined && first.state === 'interrupted' ? await client.start(request) : first;
    note({
      ...{ subject: record.id, scope: record.scope },
      details: { ...details, ...given('tables', record.tables) },
    });
    const headers = { location: `/v1/queries/${record.id}` };
    if (query.wait === undefined) return json(201, queryJson(record), { headers });
    const { record: now, results } = await waitForResults(parts, record, { waitMs: query.wait, signal });
    const answer = { ...queryJson(now, await parts.store.progress(now)), results };
    // A repeat is answered with the query as it was; its rows may have grown since.
    return json(201, answer, { headers, unrepeatable: ['results'] });
  });
}

/** Whom the selector does not say: by what telemetry services know, and by the ids that were given. */
async function amongOf({ health, directory }: QueryParts, principal: Principal, { selector, agents }: Question) {
  const healthy = await health.among(principal.org, selector);
  if (agents === undefined) return healthy;
  return { among: namedAgents(directory, principal, agents, healthy.among) };
}

function questionOf({ sql, selector, mode, reduce, parameters }: QueryRecord) {
  return {
    ...{ sql, selector, mode, ...(reduce === undefined ? {} : { reduce }) },
    ...(parameters === undefined ? {} : { parameters: sqlParametersJson(parameters) }),
  };
}

type Question = Omit<z.output<typeof operations.startQuery.body>, 'outcome'>;

function startRequest(principal: Principal, body: Question): StartQuery {
  const { sql, selector, mode, reduce, parameters, timeoutMs, budget, waitUntilMs, standing } = body;
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
    ...given('budget', budget),
    ...(reduce === undefined ? {} : { reduce }),
    ...(waitUntilMs === undefined ? {} : { waitUntilMs }),
    ...(standing === undefined ? {} : { standing }),
    ...(parameters === undefined ? {} : { parameters: readSqlParameters(parameters).parameters }),
  };
}

function listOperation({ store }: QueryParts): Operation {
  return implement(operations.listQueries, async ({ principal, query }) => {
    const { id: prefix, state, operator, since: sinceMs, until: untilMs, limit, cursor } = query;
    const before = cursor === undefined ? undefined : decodeCursor('queries', cursor, [idPosition])[0];
    const records = await store.list(principal, { before, prefix, state, operator, sinceMs, untilMs, limit });
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
    note({ subject: params.id, details: body });
    const record = await store.findReadable(principal, params.id);
    const { parameters } = readSqlParameters(body.parameters ?? {});
    const chain = body.merged === true ? await retryChain(store, principal, record) : [];
    const earlier = chain.slice(0, -1).map(({ id }) => id);
    const options = { operator: principal.id, parameters, signal, trace, earlier };
    const { columns, rows, truncated } = await client.reduce(record, body.sql, options);
    return json(200, { columns, rows: rows.map(valuesJson), truncated });
  });
}
