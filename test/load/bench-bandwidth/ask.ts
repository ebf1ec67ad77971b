import { create, eventsOf, getJson, type ApiAccess } from '../measure/rest.js';

export const QUERY =
  "SELECT pid, name, path, cmdline, 1000 * unixepoch('subsec') AS read_at FROM processes WHERE pid = 1 OR name = 'nobody-has-this'";
/** A command that finds nothing to do: the whole round trip, and the machine is unchanged. */
export const COMMAND = { action: 'process.kill', params: { name: 'nobody-has-this' } };

export interface Answer {
  /** From the query to the whole answer at the client. */
  readonly waitedMs: number;
  readonly arrivedAtMs: number;
  readonly rows: readonly (readonly unknown[])[];
}

/** Queries one endpoint. Throws unless it answered. */
export async function ask(api: ApiAccess, agentId: string, sql: string): Promise<Answer> {
  const begin = performance.now();
  const id = await create(api, 'query', '/v1/queries', { sql, selector: `id=${agentId}`, timeout: '90s' });
  const ledger = await endOf(api, id);
  const waitedMs = performance.now() - begin;
  const arrivedAtMs = Date.now();
  if (ledger['answered'] !== 1) throw new Error(`an endpoint of the bench did not answer: ${JSON.stringify(ledger)}`);
  const { items } = await getJson<{ items: { values: unknown[] }[] }>(api, `/v1/queries/${id}/rows`);
  return { waitedMs, arrivedAtMs, rows: items.map(({ values }) => values) };
}

async function endOf(api: ApiAccess, id: string): Promise<Readonly<Record<string, number>>> {
  for await (const { name, data } of eventsOf(api, `/v1/queries/${id}/events`)) {
    if (name === 'ended') return (JSON.parse(data) as { query: { ledger: Record<string, number> } }).query.ledger;
  }
  throw new Error('unreachable');
}
