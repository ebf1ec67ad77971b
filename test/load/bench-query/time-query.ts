import { create, eventsOf, type ApiAccess } from '../measure/rest.js';

/** One query as its client sees it; times in milliseconds since the query was sent. */
export interface QueryTimes {
  readonly firstPartialMs: number;
  readonly completeMs: number;
  readonly ledger: Readonly<Record<string, number>>;
  readonly state: string;
  readonly bytes: number;
}

/** Starts a query over REST, follows its events to the end, and records when they arrived. */
export async function timeQuery(api: ApiAccess, body: Readonly<Record<string, unknown>>): Promise<QueryTimes> {
  const begin = performance.now();
  const id = await create(api, 'query', '/v1/queries', body);
  let firstPartialMs = Number.NaN;
  for await (const { name, data, bytes } of eventsOf(api, `/v1/queries/${id}/events`)) {
    const isPartial = name === 'rows' || name === 'groups';
    if (isPartial && Number.isNaN(firstPartialMs)) firstPartialMs = performance.now() - begin;
    if (name !== 'ended') continue;
    const completeMs = performance.now() - begin;
    const { query } = JSON.parse(data) as { query: { state: string; ledger: Record<string, number> } };
    return { firstPartialMs, completeMs, ledger: query.ledger, state: query.state, bytes };
  }
  throw new Error('unreachable');
}
