import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  /** `GET /v1/agents?limit=2` */
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Answer = (response: ServerResponse, request: ReceivedRequest) => void;

/** A real HTTP server that gives one scripted answer to each request, in turn. */
export class ScriptedServer {
  readonly requests: ReceivedRequest[] = [];
  readonly #answers: Answer[] = [];
  readonly #server = createServer((incoming, response) => void this.#handle(incoming, response));

  /** Its address. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => void this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  next(...answers: Answer[]): void {
    this.#answers.push(...answers);
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const part of incoming) body += String(part);
    const request = { line: `${incoming.method} ${incoming.url}`, headers: incoming.headers, body };
    this.requests.push(request);
    const answer = this.#answers.shift();
    if (answer === undefined) response.writeHead(500).end('no answer is left');
    else answer(response, request);
  }
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };
}

export function problem(
  status: number,
  members: Record<string, unknown>,
  headers: Record<string, string> = {},
): Answer {
  return json(members, status, { 'content-type': 'application/problem+json', ...headers });
}

/** Streams these texts. Without `end` the connection breaks after the last one. */
export function stream(type: string, texts: readonly string[], end: 'ends' | 'breaks' | 'stays open'): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': type });
    for (const text of texts) response.write(text);
    if (end === 'ends') response.end();
    // After what was written has left.
    if (end === 'breaks') response.write('', () => setImmediate(() => response.destroy()));
  };
}
