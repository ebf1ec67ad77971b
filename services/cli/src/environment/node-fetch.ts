import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import type { FetchLike } from '@muster/api-client';
import { CliError } from '../terminal/cli-error.js';
import type { Context } from './context.js';

export interface NodeFetch {
  readonly fetch: FetchLike;
  /** Closes all connections. */
  close(): void;
}

/**
 * `fetch` over `node:http`. Unlike the built-in one it can trust a certificate authority from a file.
 * @throws CliError when that file cannot be read
 */
export function createNodeFetch({ apiUrl, caPath }: Pick<Context, 'apiUrl' | 'caPath'>): NodeFetch {
  const isHttps = apiUrl.startsWith('https:');
  const ca = caPath === undefined ? {} : { ca: readAuthority(caPath) };
  const agent = new (isHttps ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: 8, ...ca });
  const send = isHttps ? httpsRequest : httpRequest;
  return {
    fetch: (url, { body, headers, ...init }) =>
      new Promise((resolve, reject) => {
        const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
        const request = send(url, { ...init, agent, headers: { ...headers, ...length } }, (message) =>
          resolve(responseOf(message)),
        );
        request.on('error', reject);
        request.end(body);
      }),
    close: () => agent.destroy(),
  };
}

function responseOf(message: IncomingMessage): Response {
  const headers = new Headers();
  for (const [name, values] of Object.entries(message.headersDistinct))
    for (const value of values ?? []) headers.append(name, value);
  const status = message.statusCode ?? 500;
  // A Response of these statuses cannot have a body (Fetch Standard, "null body status").
  const isEmpty = [204, 205, 304].includes(status);
  if (isEmpty) message.resume();
  return new Response(isEmpty ? null : (Readable.toWeb(message) as ReadableStream), { status, headers });
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CliError(`the certificate authority ${path} cannot be read`, { cause });
  }
}
