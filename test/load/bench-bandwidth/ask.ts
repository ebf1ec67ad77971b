import { call, EventScanner, textOf, type ApiAccess } from '../measure/rest.js';

/** A sample of a machine's metrics: its load and its memory. The last column is the time of reading, in milliseconds since 1970. */
export const SAMPLE =
  "SELECT l.average AS load, m.memory_available, 1000 * unixepoch('subsec') AS read_at " +
  "FROM load_average l, memory_info m WHERE l.period = '1m'";
/** A typical query of an operator. */
export const QUERY =
  "SELECT pid, name, path, cmdline, 1000 * unixepoch('subsec') AS read_at FROM processes WHERE pid = 1 OR name = 'nobody-has-this'";
/** A command that finds nothing to do: the whole round trip, and the machine is unchanged. */
export const COMMAND = { action: 'process.kill', params: { name: 'nobody-has-this' } };

export interface Answer {
  /** From the query to the whole answer at the client. */
  readonly waitedMs: number;
  readonly arrivedAtMs: number;
  /** Values in the order of the columns. */
  readonly rows: readonly (readonly unknown[])[];
}

/** Queries one endpoint. Throws unless it answered. */
export async function ask(api: ApiAccess, agentId: string, sql: string): Promise<Answer> {
  const begin = performance.now();
  const body = JSON.stringify({ sql, selector: `id=${agentId}`, timeout: '90s' });
  const started = await call(api, { method: 'POST', path: '/v1/queries', body });
  const text = await textOf(started);
  if (started.statusCode !== 201) throw new Error(`the query was refused: ${started.statusCode} ${text}`);
  const { id } = JSON.parse(text) as { id: string };
  const ledger = await endOf(api, id);
  const waitedMs = performance.now() - begin;
  const arrivedAtMs = Date.now();
  if (ledger['answered'] !== 1) throw new Error(`an endpoint of the bench did not answer: ${JSON.stringify(ledger)}`);
  const page = await textOf(await call(api, { method: 'GET', path: `/v1/queries/${id}/rows` }));
  const { items } = JSON.parse(page) as { items: { values: unknown[] }[] };
  return { waitedMs, arrivedAtMs, rows: items.map(({ values }) => values) };
}

async function endOf(api: ApiAccess, id: string): Promise<Readonly<Record<string, number>>> {
  const events = await call(api, { method: 'GET', path: `/v1/queries/${id}/events`, accept: 'text/event-stream' });
  const scanner = new EventScanner();
  for await (const chunk of events as AsyncIterable<Buffer>) {
    for (const { name, data } of scanner.push(chunk)) {
      if (name !== 'ended') continue;
      events.destroy();
      return (JSON.parse(data) as { query: { ledger: Record<string, number> } }).query.ledger;
    }
  }
  throw new Error('the event stream closed before the query ended');
}
