import { Agent as HttpAgent, request as requestHttp, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { SecureContext } from 'node:tls';
import type { Target } from './target.js';

/** A gateway's answer to one request. */
export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As received, compressed or not. */
  readonly body: Buffer;
}

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly timeoutMs: number;
}

/** Sockets per gateway. A request holds one only briefly, so a few serve any number of agents. */
const SOCKETS = 64;

/** Sends the requests of all polling agents of a fleet over a few keep-alive connections. */
export class PollClient {
  readonly #plain = new HttpAgent({ keepAlive: true, maxSockets: SOCKETS });
  readonly #secure = new Map<SecureContext, HttpsAgent>();

  /** Rejects when no answer came. */
  call(target: Target, { method, headers, body, timeoutMs }: HttpCall): Promise<HttpReply> {
    const { host, port, serverName, secureContext } = target;
    const length = body === undefined ? {} : { 'content-length': body.length };
    const options = { host, port, path: target.pollPath, method, headers: { ...headers, ...length } };
    return new Promise((resolve, reject) => {
      const request =
        secureContext === undefined
          ? requestHttp({ ...options, agent: this.#plain })
          : requestHttps({ ...options, agent: this.#secured(secureContext), servername: serverName });
      // One deadline for the whole call; waiting for a socket counts too.
      const timer = setTimeout(() => request.destroy(new Error('no answer in time')), timeoutMs);
      const failed = (error: Error): void => {
        clearTimeout(timer);
        reject(error);
      };
      request.on('error', failed);
      request.on('response', (response: IncomingMessage) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', failed);
        response.on('end', () => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) });
        });
      });
      request.end(body);
    });
  }

  stop(): void {
    this.#plain.destroy();
    for (const agent of this.#secure.values()) agent.destroy();
  }

  #secured(secureContext: SecureContext): HttpsAgent {
    const known = this.#secure.get(secureContext);
    if (known !== undefined) return known;
    const agent = new HttpsAgent({ keepAlive: true, maxSockets: SOCKETS, secureContext });
    this.#secure.set(secureContext, agent);
    return agent;
  }
}
