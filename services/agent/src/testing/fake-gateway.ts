import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  type ChallengeBody,
  type CommandBody,
  decodeBody,
  decodeHeader,
  encodeBody,
  encodeFrame,
  FRAME,
  frameBody,
  type FrameType,
  type Header,
  type HelloBody,
  type QueryBody,
  type ReportBody,
  type WelcomeBody,
} from '@muster/protocol';
import { type WebSocket, WebSocketServer } from 'ws';

/** An HTTP answer instead of an upgrade. */
export interface FakeRefusal {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

export interface FakeGatewayOptions {
  /** Asked for each upgrade; nothing means that it is accepted. */
  readonly refuse?: (request: IncomingMessage) => FakeRefusal | undefined;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Answers POST /v1/enroll. */
  readonly enrol?: (request: IncomingMessage, body: unknown) => FakeRefusal;
}

/** A gateway for tests: it speaks the real protocol, and says only what the test tells it to. */
export class FakeGateway {
  readonly url: string;
  readonly sessions: FakeSession[] = [];
  upgrades = 0;
  readonly #server: Server;
  readonly #waiting: ((session: FakeSession) => void)[] = [];
  #given = 0;

  private constructor(server: Server, scheme: 'ws' | 'wss') {
    this.#server = server;
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/v1/live`;
  }

  static async start(options: FakeGatewayOptions = {}): Promise<FakeGateway> {
    const listener: RequestListener = (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body: unknown = JSON.parse(Buffer.concat(parts).toString() || 'null');
        const reply = options.enrol?.(request, body) ?? { status: 404 };
        response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
        response.end(JSON.stringify(reply.body ?? {}));
      });
    };
    const server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const gateway = new FakeGateway(server, options.tls === undefined ? 'ws' : 'wss');
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'muster.v1' });
    server.on('upgrade', (request, socket, head) => {
      gateway.upgrades += 1;
      socket.on('error', () => {});
      const refusal = options.refuse?.(request);
      if (refusal === undefined) {
        sockets.handleUpgrade(request, socket, head, (ws) => gateway.#accept(new FakeSession(ws, request)));
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

  /** The next connection that was accepted; it waits for a WELCOME. */
  async next(): Promise<FakeSession> {
    const session =
      this.sessions[this.#given] ?? (await new Promise<FakeSession>((resolve) => this.#waiting.push(resolve)));
    this.#given += 1;
    return session;
  }

  async stop(): Promise<void> {
    for (const session of this.sessions) session.socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(session: FakeSession): void {
    this.sessions.push(session);
    this.#waiting.shift()?.(session);
  }
}

export interface ReceivedFrame {
  readonly header: Header;
  readonly body: Uint8Array;
}

export class FakeSession {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  readonly nonce = new Uint8Array(32).fill(7);
  readonly closed: Promise<number>;
  readonly frames: ReceivedFrame[] = [];
  pings: Buffer[] = [];
  readonly #waiting: ((frame: ReceivedFrame) => void)[] = [];
  #given = 0;

  constructor(socket: WebSocket, request: IncomingMessage) {
    this.socket = socket;
    this.request = request;
    this.closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)));
    socket.on('error', () => {});
    socket.on('ping', (data) => this.pings.push(data));
    socket.on('message', (data: Buffer) => {
      const header = decodeHeader(data);
      if (header === undefined) throw new Error('the agent sent no frame');
      const frame = { header, body: Uint8Array.from(frameBody(data)) };
      this.frames.push(frame);
      this.#waiting.shift()?.(frame);
    });
    this.challenge();
  }

  get isOpen(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  send(type: FrameType, ref: number, body: Uint8Array): void {
    this.socket.send(encodeFrame(type, ref, body));
  }

  challenge(body: Partial<ChallengeBody> = {}): void {
    this.send(FRAME.challenge, 0, encodeBody('challenge', { nonce: this.nonce, serverTimeMs: Date.now(), ...body }));
  }

  async hello(): Promise<HelloBody> {
    const { header, body } = await this.frame();
    const hello = decodeBody('hello', body);
    if (header.type !== FRAME.hello || !hello.ok) throw new Error('not a hello');
    return hello.body;
  }

  /** Reads the hello and welcomes the agent. */
  async welcome(body: Partial<WelcomeBody> = {}): Promise<HelloBody> {
    const hello = await this.hello();
    const welcome = { agentId: 'a'.repeat(24), epoch: 1, heartbeatMs: 25_000, labels: {}, ...body };
    this.send(FRAME.welcome, 0, encodeBody('welcome', welcome));
    return hello;
  }

  query(ref: number, body: Partial<QueryBody> & Pick<QueryBody, 'sql' | 'columns'>): void {
    const whole = {
      id: `q${ref}`,
      remainingMs: 30_000,
      budget: { ms: 10_000, rows: 10_000, bytes: 4_194_304 },
      credit: 10_000_000,
      ...body,
    };
    this.send(FRAME.query, ref, encodeBody('query', whole));
  }

  command(body: CommandBody): void {
    this.send(FRAME.command, 0, encodeBody('command', body));
  }

  cancelCommand({ id, number }: Pick<CommandBody, 'id' | 'number'>): void {
    this.send(FRAME.commandCancel, 0, encodeBody('commandCancel', { id, number }));
  }

  keepReport({ id, number }: Pick<CommandBody, 'id' | 'number'>): void {
    this.send(FRAME.reportKept, 0, encodeBody('reportKept', { id, number }));
  }

  /** The next frame, which must be a REPORT. */
  async report(): Promise<ReportBody> {
    const { header, body } = await this.frame();
    const report = decodeBody('report', body);
    if (header.type !== FRAME.report || !report.ok) throw new Error(`not a REPORT but type ${header.type}`);
    return report.body;
  }

  /** The next frame that the agent sent. */
  async frame(): Promise<ReceivedFrame> {
    const frame =
      this.frames[this.#given] ?? (await new Promise<ReceivedFrame>((resolve) => this.#waiting.push(resolve)));
    this.#given += 1;
    return frame;
  }

  /** The next frame, which must be a QUERY_END. */
  async queryEnd(): Promise<{ ref: number; outcome: string; code: string; message: string }> {
    const { header, body } = await this.frame();
    const end = decodeBody('queryEnd', body);
    if (header.type !== FRAME.queryEnd || !end.ok) throw new Error(`not a QUERY_END but type ${header.type}`);
    return { ref: header.ref, ...end.body };
  }

  /** A whole answer: the bodies of its frames. */
  async answer(): Promise<Uint8Array[]> {
    const bodies: Uint8Array[] = [];
    for (;;) {
      const { header, body } = await this.frame();
      if (header.type !== FRAME.rows) throw new Error(`not ROWS but type ${header.type}`);
      bodies.push(body);
      if (header.flags === 1) return bodies;
    }
  }
}
