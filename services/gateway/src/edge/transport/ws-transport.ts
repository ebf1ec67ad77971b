import { readFileSync } from 'node:fs';
import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import { CONNECT_PROOF_HEADER, LIMITS, type ByteCounts } from '@muster/protocol';
import { clientAddress } from '@muster/runtime';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import type { Connection, SendResult } from '../../foundation/connection.js';
import { webSocketHead, type ChannelTraffic } from '../../traffic/frame-traffic.js';
import { SocketTotals } from '../../traffic/socket-totals.js';
import { isBodiless, type HttpReply } from '../http/http-message.js';
import { FAILED, problemReply, TOO_LARGE } from '../http/replies.js';
import { RequestHead } from '../http/request-head.js';
import {
  HEAD_TIMEOUT_MS,
  splitProtocols,
  type Transport,
  type TransportHandlers,
  type TransportOptions,
} from './transport.js';
import { asksForWebSocket, refuseHandshake } from './websocket-handshake.js';

const OTHER_UPGRADE = problemReply('upgrade_required', 'the only upgrade here is to websocket', {
  upgrade: 'websocket',
});
/** How long a peer may take to close its side after a refusal. */
const REFUSED_MS = 5_000;
const NO_REQUEST = problemReply('bad_request', 'not a request of HTTP/1.1');
/** How long a peer may take to answer a close frame. Missing from the package's types. */
const CLOSE_TIMEOUT: object = { closeTimeout: 5_000 };

const EMPTY = new Uint8Array(0);

class WsConnection implements Connection {
  readonly address: string;
  heardAtMs = Date.now();
  readonly #socket: WebSocket;
  readonly #backpressureBytes: number;
  readonly #traffic: ChannelTraffic;

  constructor(socket: WebSocket, address: string, options: TransportOptions) {
    this.#socket = socket;
    this.address = address;
    this.#backpressureBytes = options.backpressureBytes;
    this.#traffic = options.traffic;
  }

  send(frame: Uint8Array): SendResult {
    if (this.#socket.readyState !== this.#socket.OPEN) return 'closed';
    if (this.#socket.bufferedAmount > this.#backpressureBytes) {
      this.#socket.terminate();
      return 'dropped';
    }
    this.#socket.send(frame, { binary: true, compress: false });
    this.#traffic.sent(frame, webSocketHead(frame.length, 'out'));
    return 'sent';
  }

  ping(data: Uint8Array): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.ping(data);
    this.#traffic.heartbeat('out', data.length);
  }

  beat(): void {
    if (this.#socket.readyState !== this.#socket.OPEN || this.#socket.bufferedAmount > this.#backpressureBytes) return;
    this.#socket.send(EMPTY, { binary: true, compress: false });
    this.#traffic.heartbeat('out', 0);
  }

  close(code: number, reason: string): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.close(code, reason);
  }

  cork(run: () => void): void {
    run();
  }

  terminate(): void {
    this.#socket.terminate();
  }
}

/** A peer that takes nothing of an answer for so long is cut. */
const STALL_MS = 60_000;

const SERVER_OPTIONS = {
  // A connection is kept from one poll to the next where the interval is the usual one.
  keepAliveTimeout: LIMITS.pollIntervalMs + 5_000,
  requireHostHeader: false,
  headersTimeout: HEAD_TIMEOUT_MS,
  connectionsCheckingInterval: 1_000,
} as const;

/** The portable transport: slower and larger, but it runs where the native module cannot be loaded. */
export class WsTransport<Context> implements Transport {
  readonly #options: TransportOptions;
  readonly #handlers: TransportHandlers<Context>;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Set<WsConnection>();
  readonly #totals = new SocketTotals();
  readonly #guard: ReturnType<NonNullable<TransportOptions['guard']>> | undefined;
  readonly #accepted = new WeakMap<IncomingMessage, string>();
  /** Connections on which a request was refused because its end is not clear: nothing behind it is a request. */
  readonly #refused = new WeakSet<Duplex>();
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: TransportOptions, handlers: TransportHandlers<Context>) {
    this.#options = options;
    this.#handlers = handlers;
    const { tls } = options;
    this.#server =
      tls === undefined
        ? createServer(SERVER_OPTIONS)
        : createTlsServer({
            ...{ ...SERVER_OPTIONS, handshakeTimeout: HEAD_TIMEOUT_MS },
            ...contextOf(tls),
          });
    this.#sockets = new WebSocketServer({
      noServer: true,
      maxPayload: options.frameBytes,
      perMessageDeflate: false,
      ...CLOSE_TIMEOUT,
      handleProtocols: (_protocols, request) => this.#accepted.get(request) ?? false,
    });
    // ws itself would refuse a handshake without a proper key.
    this.#sockets.on('wsClientError', (_error, socket) => refuse(socket, { status: 400, headers: {}, body: '' }));
    // The TCP socket, also with TLS: what is read and written there is what is on the wire.
    this.#server.on('connection', (socket) => this.#totals.watch(socket));
    this.#server.on('request', (request, response) => void this.#http(request, response));
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
    this.#server.on('clientError', (_error, socket) => {
      if (socket.writable) refuse(socket, NO_REQUEST);
      else socket.destroy();
    });
    this.#guard = options.guard?.();
    this.#guard?.watch(this.#server);
    if (this.#guard !== undefined) this.#server.timeout = STALL_MS;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.port, this.#options.host, resolve);
    });
    this.#sweep = setInterval(() => this.#endSilent(), Math.min(5_000, this.#options.silenceMs / 4));
    return (this.#server.address() as AddressInfo).port;
  }

  async renewCertificate(): Promise<void> {
    const { tls } = this.#options;
    if (tls !== undefined && this.#server instanceof TlsServer) this.#server.setSecureContext(contextOf(tls));
  }

  stopListening(): void {
    this.#server.close();
  }

  stop(): void {
    clearInterval(this.#sweep);
    this.#server.close();
    this.#server.closeAllConnections();
    for (const connection of this.#connections) connection.terminate();
  }

  socketBytes(): ByteCounts {
    return this.#totals.bytes();
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, rest: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    if (this.#refused.has(socket)) {
      socket.destroy();
      return;
    }
    const head = readHead(request);
    const wrong = asksForWebSocket(head) ? refuseHandshake(request.method ?? 'GET', head) : OTHER_UPGRADE;
    const refused = head.refuse() ?? wrong;
    if (refused !== undefined) {
      refuse(socket, refused);
      return;
    }
    const address = this.#address(request, head);
    const path = pathOf(request);
    try {
      const decision = await this.#handlers.upgrade({
        path,
        address,
        protocols: splitProtocols(head.get('sec-websocket-protocol')),
        authorization: head.get('authorization'),
        proof: head.get(CONNECT_PROOF_HEADER),
        origin: head.get('origin'),
      });
      if (decision.kind === 'refuse') {
        refuse(socket, decision.reply);
        return;
      }
      this.#guard?.hold(request.socket);
      this.#accepted.set(request, decision.protocol);
      this.#sockets.handleUpgrade(request, socket, rest, (webSocket) =>
        this.#open(webSocket, address, decision.context),
      );
    } catch {
      refuse(socket, FAILED);
    }
  }

  #open(socket: WebSocket, address: string, context: Context): void {
    const connection = new WsConnection(socket, address, this.#options);
    const { traffic } = this.#options;
    this.#connections.add(connection);
    socket.on('message', (data: RawData, isBinary: boolean) => {
      connection.heardAtMs = Date.now();
      const bytes = bytesOf(data);
      traffic.received(bytes, webSocketHead(bytes.length, 'in'));
      this.#handlers.connections.received(connection, bytes, isBinary);
    });
    socket.on('ping', (data: Buffer) => {
      connection.heardAtMs = Date.now();
      // It is answered by now, with the same data.
      traffic.heartbeat('in', data.length);
      traffic.heartbeat('out', data.length);
      this.#handlers.connections.pinged(connection);
    });
    socket.on('pong', (data: Buffer) => {
      connection.heardAtMs = Date.now();
      traffic.heartbeat('in', data.length);
      this.#handlers.connections.ponged(connection, data);
    });
    // On protocol errors ws closes with the right code by itself. Without a listener the event would be thrown.
    socket.on('error', () => undefined);
    socket.on('close', (code: number) => {
      this.#connections.delete(connection);
      this.#handlers.connections.closed(connection, code);
    });
    this.#handlers.connections.opened(connection, context);
  }

  async #http(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    // Its response would come after the refusal, which closes the connection.
    if (this.#refused.has(socket)) return;
    try {
      const head = readHead(request);
      const refused = head.refuse();
      if (refused !== undefined) this.#refused.add(socket);
      const reply = refused ?? (await this.#answer(request, head));
      if (reply.status < 300 && head.get('authorization') !== undefined) this.#guard?.prove(socket);
      response.writeHead(reply.status, reply.headers).end(isBodiless(reply.status) ? undefined : reply.body);
    } catch {
      if (response.headersSent) response.end();
      else response.writeHead(FAILED.status, FAILED.headers).end(FAILED.body);
    }
  }

  async #answer(request: IncomingMessage, head: RequestHead): Promise<HttpReply> {
    const [path, { headers }] = [pathOf(request), head];
    const body = await readBody(request, this.#options.bodyBytes({ path, headers }));
    if (body === undefined) return TOO_LARGE;
    const address = this.#address(request, head);
    return this.#handlers.http({ method: request.method ?? 'GET', path, address, headers, body });
  }

  #endSilent(): void {
    const oldest = Date.now() - this.#options.silenceMs;
    for (const connection of this.#connections) if (connection.heardAtMs < oldest) connection.terminate();
  }

  #address(request: IncomingMessage, head: RequestHead): string {
    return clientAddress(request.socket.remoteAddress, head.get('x-forwarded-for'), this.#options.trustedProxies);
  }
}

function contextOf({ certFile, keyFile }: NonNullable<TransportOptions['tls']>): SecureContextOptions {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

/** From the fields as they came: Node.js keeps the first of some that come twice. */
function readHead({ rawHeaders }: IncomingMessage): RequestHead {
  const head = new RequestHead();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    head.add(rawHeaders[i]?.toLowerCase() ?? '', rawHeaders[i + 1] ?? '');
  return head;
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '/';
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

async function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function refuse(socket: Duplex, reply: HttpReply): void {
  const body = Buffer.from(reply.body);
  const headers = {
    ...reply.headers,
    date: new Date().toUTCString(),
    connection: 'close',
    'content-length': String(body.length),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ''}\r\n${lines.join('')}\r\n`;
  socket.end(Buffer.concat([Buffer.from(head), body]));
  // A peer that does not close its side may not keep ours.
  socket.resume();
  setTimeout(() => socket.destroy(), REFUSED_MS).unref();
}
