import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { FakePollSession } from './fake-poll-session.js';
import { FakeLiveSession, type FakeSession } from './fake-session.js';

/** An HTTP response instead of an upgrade. */
export interface FakeRefusal {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

export interface FakeGatewayOptions {
  /** Called for each upgrade; `undefined` accepts it. */
  readonly refuse?: (request: IncomingMessage) => FakeRefusal | undefined;
  /** Called for each request that opens a Poll session; `undefined` accepts it. */
  readonly refusePoll?: (request: IncomingMessage) => FakeRefusal | undefined;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Answers POST /v1/enroll. */
  readonly enrol?: (request: IncomingMessage, body: unknown) => FakeRefusal;
}

/** A gateway for tests. It implements the protocol and sends only what the test asks for. */
export class FakeGateway {
  /** The URL for WebSockets. */
  readonly url: string;
  readonly sessions: FakeSession[] = [];
  upgrades = 0;
  /** Number of requests to open a Poll session. */
  opens = 0;
  connections = 0;
  readonly #options: FakeGatewayOptions;
  readonly #server: Server;
  readonly #waiting: ((session: FakeSession) => void)[] = [];
  #given = 0;

  private constructor(server: Server, options: FakeGatewayOptions) {
    this.#server = server;
    this.#options = options;
    const scheme = options.tls === undefined ? 'ws' : 'wss';
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/v1/live`;
  }

  static async start(options: FakeGatewayOptions = {}): Promise<FakeGateway> {
    const server = options.tls === undefined ? createServer() : createTlsServer(options.tls);
    // Longer than any test: the server must not close connections that the agent keeps.
    server.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const gateway = new FakeGateway(server, options);
    server.on('connection', () => (gateway.connections += 1));
    server.on('request', (request, response) => void gateway.#onRequest(request, response));
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'muster.v1' });
    server.on('upgrade', (request, socket, head) => {
      gateway.upgrades += 1;
      socket.on('error', () => {});
      const refusal = options.refuse?.(request);
      if (refusal === undefined) {
        sockets.handleUpgrade(request, socket, head, (ws) => gateway.#accept(new FakeLiveSession(ws, request)));
        return;
      }
      const headers = Object.entries({ connection: 'close', ...refusal.headers }).map(
        ([name, value]) => `${name}: ${value}\r\n`,
      );
      const body = JSON.stringify(refusal.body ?? {});
      socket.end(
        `HTTP/1.1 ${refusal.status} Refused\r\n${headers.join('')}content-length: ${body.length}\r\n\r\n${body}`,
      );
    });
    return gateway;
  }

  /** The URL as in `MUSTER_GATEWAY_URL`. */
  get origin(): string {
    return this.url.replace('/v1/live', '');
  }

  /** Number of attempts to open a session. */
  get attempts(): number {
    return this.upgrades + this.opens;
  }

  /** The next accepted session; it waits for WELCOME. */
  async next(): Promise<FakeSession> {
    const session =
      this.sessions[this.#given] ?? (await new Promise<FakeSession>((resolve) => this.#waiting.push(resolve)));
    this.#given += 1;
    return session;
  }

  async nextLive(): Promise<FakeLiveSession> {
    const session = await this.next();
    if (session instanceof FakeLiveSession) return session;
    throw new Error('a poll session came');
  }

  async nextPoll(): Promise<FakePollSession> {
    const session = await this.next();
    if (session instanceof FakePollSession) return session;
    throw new Error('a live session came');
  }

  async stop(): Promise<void> {
    for (const session of this.sessions) if (session instanceof FakeLiveSession) session.socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const body = Buffer.concat(parts);
    if (request.url === '/v1/poll') return this.#onPoll(request, body, response);
    const reply = this.#options.enrol?.(request, JSON.parse(body.toString() || 'null')) ?? { status: 404 };
    respond(response, reply);
  }

  async #onPoll(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const name = request.headers['muster-session'];
    if (name === undefined) {
      this.opens += 1;
      const refusal = this.#options.refusePoll?.(request);
      if (refusal !== undefined) return respond(response, refusal);
      const opened = new FakePollSession(request);
      opened.opened(response);
      return this.#accept(opened);
    }
    const session = this.sessions.find((one) => one instanceof FakePollSession && one.name === name);
    if (!(session instanceof FakePollSession)) return respond(response, UNKNOWN);
    await session.reply({ method: request.method ?? '', headers: request.headers, body }, response);
  }

  #accept(session: FakeSession): void {
    this.sessions.push(session);
    this.#waiting.shift()?.(session);
  }
}

const UNKNOWN: FakeRefusal = { status: 410, body: { code: 'session_ended', closeCode: 1001, closeReason: 'unknown' } };

function respond(response: ServerResponse, { status, headers, body }: FakeRefusal): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body ?? {}));
}
