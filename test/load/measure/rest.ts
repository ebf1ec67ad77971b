import { readFileSync } from 'node:fs';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Stack } from '@muster/local';

/** The API's address, and the token to use there. */
export interface ApiAccess {
  readonly url: string;
  readonly token: string;
  readonly ca?: string;
}

/** The API of a local stack. */
export function apiOf(stack: Stack): ApiAccess {
  const ca = stack.caPath === undefined ? {} : { ca: readFileSync(stack.caPath, 'utf8') };
  return { url: stack.apiUrl, token: stack.token, ...ca };
}

/** Splits a stream of server-sent events into events. Does not parse their data, which may be megabytes. */
export class EventScanner {
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

/** Reads the whole body. */
export async function textOf(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of message) text += String(piece);
  return text;
}
