import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  readonly body: Buffer;
  readonly headers: IncomingHttpHeaders;
}

/** What the receiver does with a request: an answer, or nothing at all. */
export type Reply =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly text?: string }
  | 'hang'
  | 'reset';

/** A store that behaves as a test wants. It keeps every request. */
export class Receiver {
  readonly requests: ReceivedRequest[] = [];
  /** Called for each request with its number from 0. May wait. */
  reply: (number: number, request: ReceivedRequest) => Reply | Promise<Reply> = () => ({ status: 204 });
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const received = { body: Buffer.concat(chunks), headers: request.headers };
        this.requests.push(received);
        void Promise.resolve(this.reply(this.requests.length - 1, received)).then((reply) => {
          if (reply === 'hang') return;
          if (reply === 'reset') request.socket.destroy();
          else response.writeHead(reply.status, reply.headers).end(reply.text);
        });
      });
    });
  }

  async start(): Promise<URL> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/api/v1/write`);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
