import { readFileSync } from 'node:fs';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Stack } from '@muster/local';
import { text } from 'node:stream/consumers';

/** The API's address, and the token to use there. */
export interface ApiAccess {
  readonly url: string;
  readonly token: string;
  readonly ca?: string;
}

export function apiOf(stack: Stack): ApiAccess {
  const ca = stack.caPath === undefined ? {} : { ca: readFileSync(stack.caPath, 'utf8') };
  return { url: stack.apiUrl, token: stack.token, ...ca };
}

export interface ServerEvent {
  readonly name: string;
  readonly data: string;
}

/** Splits a stream of server-sent events into events. Does not parse their data, which may be megabytes. */
class EventScanner {
  #rest = '';
  #name = '';
  #data = '';

  *push(chunk: Buffer): Generator<ServerEvent> {
    const received = this.#rest + chunk.toString('latin1');
    let start = 0;
    for (let end = received.indexOf('\n'); end >= 0; end = received.indexOf('\n', start)) {
      const line = received.slice(start, end);
      start = end + 1;
      if (line.startsWith('event: ')) this.#name = line.slice(7);
      else if (line.startsWith('data: ')) this.#data = line.slice(6);
      else if (line === '' && this.#name !== '') {
        yield { name: this.#name, data: this.#data };
        this.#name = '';
        this.#data = '';
      }
    }
    this.#rest = received.slice(start);
  }
}

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly accept?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends one request to the API. Resolves with the response as soon as its headers have arrived. */
export function call(
  api: ApiAccess,
  { method, path, accept = 'application/json', body, headers: more }: Call,
): Promise<IncomingMessage> {
  const url = new URL(path, api.url);
  const headers = {
    authorization: `Bearer ${api.token}`,
    accept,
    ...more,
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const request = send(url, { method, headers, ...(api.ca !== undefined && { ca: api.ca }) }, resolve);
    request.on('error', reject);
    request.end(body);
  });
}

/** Posts JSON and returns the id of what that created. `what` names it in the error when the API refuses. */
export async function create(api: ApiAccess, what: string, path: string, request: object): Promise<string> {
  const response = await call(api, { method: 'POST', path, body: JSON.stringify(request) });
  const body = await text(response);
  const { statusCode } = response;
  if (statusCode !== 201 && statusCode !== 202) throw new Error(`the ${what} was refused: ${statusCode} ${body}`);
  return (JSON.parse(body) as { id: string }).id;
}

export async function getJson<T>(api: ApiAccess, path: string): Promise<T> {
  return JSON.parse(await text(await call(api, { method: 'GET', path }))) as T;
}

/** The server-sent events of the API as they arrive, each with the bytes of the stream so far. Throws when the stream closes. */
export async function* eventsOf(api: ApiAccess, path: string): AsyncGenerator<ServerEvent & { bytes: number }, never> {
  const events = await call(api, { method: 'GET', path, accept: 'text/event-stream' });
  const scanner = new EventScanner();
  let bytes = 0;
  for await (const chunk of events as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    for (const event of scanner.push(chunk)) yield { ...event, bytes };
  }
  throw new Error(`the event stream ${path} closed before its end`);
}
