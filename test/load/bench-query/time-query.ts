import { call, EventScanner, textOf, type ApiAccess } from '../measure/rest.js';

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
  const started = await call(api, { method: 'POST', path: '/v1/queries', body: JSON.stringify(body) });
  const text = await textOf(started);
  if (started.statusCode !== 201) throw new Error(`the query was refused: ${started.statusCode} ${text}`);
  const { id } = JSON.parse(text) as { id: string };
  const events = await call(api, { method: 'GET', path: `/v1/queries/${id}/events`, accept: 'text/event-stream' });
  let firstPartialMs = Number.NaN;
  let bytes = 0;
  const scanner = new EventScanner();
  for await (const chunk of events as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    for (const { name, data } of scanner.push(chunk)) {
      const isPartial = name === 'rows' || name === 'groups';
      if (isPartial && Number.isNaN(firstPartialMs)) firstPartialMs = performance.now() - begin;
      if (name !== 'ended') continue;
      const completeMs = performance.now() - begin;
      const { query } = JSON.parse(data) as { query: { state: string; ledger: Record<string, number> } };
      events.destroy();
      return { firstPartialMs, completeMs, ledger: query.ledger, state: query.state, bytes };
    }
  }
  throw new Error('the event stream closed before the query ended');
}
