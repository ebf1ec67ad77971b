import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';

/** Where the API is, and as whom to ask. */
export interface ApiAccess {
  readonly url: string;
  readonly token: string;
  readonly ca?: string;
}

/** What the people's side of one query looked like from outside, in milliseconds since the question was sent. */
export interface QueryTimes {
  readonly firstPartialMs: number;
  readonly completeMs: number;
  readonly ledger: Readonly<Record<string, number>>;
  readonly state: string;
  readonly bytes: number;
}

/** Asks a question over REST, follows it over server-sent events to its end, and notes when what came. */
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

/** Cuts a stream of server-sent events into events, without looking into their data: there may be megabytes of it. */
class EventScanner {
  #rest = '';
  #name = '';
  #data = '';

  *push(chunk: Buffer): Generator<{ name: string; data: string }> {
    const text = this.#rest + chunk.toString('latin1');
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      const line = text.slice(start, end);
      start = end + 1;
      if (line.startsWith('event: ')) this.#name = line.slice(7);
      else if (line.startsWith('data: ')) this.#data = line.slice(6);
      else if (line === '' && this.#name !== '') {
        yield { name: this.#name, data: this.#data };
        this.#name = '';
        this.#data = '';
      }
    }
    this.#rest = text.slice(start);
  }
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly accept?: string;
  readonly body?: string;
}

function call(api: ApiAccess, { method, path, accept = 'application/json', body }: Call): Promise<IncomingMessage> {
  const url = new URL(path, api.url);
  const headers = {
    authorization: `Bearer ${api.token}`,
    accept,
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const request = send(url, { method, headers, ...(api.ca !== undefined && { ca: api.ca }) }, resolve);
    request.on('error', reject);
    request.end(body);
  });
}

async function textOf(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of message) text += String(piece);
  return text;
}
