import { createServer, type AddressInfo } from 'node:net';
import { clientAddress } from '@muster/runtime';
import type * as Uws from 'uWebSockets.js';
import type { Connection, SendResult } from '../../foundation/connection.js';
import { webSocketHead, type ChannelTraffic } from '../../traffic/frame-traffic.js';
import { isBodiless, READ_HEADERS, STATUS_TEXT, type HttpReply } from '../http/http-message.js';
import { FAILED, TOO_LARGE } from '../http/replies.js';
import {
  splitProtocols,
  type Transport,
  type TransportHandlers,
  type TransportOptions,
  type UpgradeDecision,
} from './transport.js';
import { asksForWebSocket, refuseHandshake, type HandshakeHead } from './websocket-handshake.js';

/**
 * uWebSockets copies the members of its user data object, so it gets exactly one. The context of the upgrade is only needed until the
 * connection opens. It must not stay in memory, tens of thousands of times.
 */
interface UserData<Context> {
  readonly held: { state: UwsConnection | { readonly address: string; readonly context: Context } };
}

const DROPPED = 2;
const PORT_ATTEMPTS = 5;

/** All that our side keeps for a connection, besides what the listener keeps. */
class UwsConnection implements Connection {
  readonly address: string;
  // Cleared on close: uWebSockets throws when a socket is used after that.
  #socket: Uws.WebSocket<unknown> | undefined;
  readonly #traffic: ChannelTraffic;

  constructor(socket: Uws.WebSocket<unknown>, address: string, traffic: ChannelTraffic) {
    this.#socket = socket;
    this.address = address;
    this.#traffic = traffic;
  }

  send(frame: Uint8Array): SendResult {
    if (this.#socket === undefined) return 'closed';
    if (this.#socket.send(frame, true, false) === DROPPED) return 'dropped';
    this.#traffic.sent(frame, webSocketHead(frame.length, 'out'));
    return 'sent';
  }

  ping(data: Uint8Array): void {
    if (this.#socket === undefined) return;
    this.#socket.ping(data);
    this.#traffic.heartbeat('out', data.length);
  }

  close(code: number, reason: string): void {
    this.#socket?.end(code, reason);
  }

  cork(run: () => void): void {
    if (this.#socket === undefined) run();
    else this.#socket.cork(run);
  }

  detach(): void {
    this.#socket = undefined;
  }
}

/** The fast transport. Made by `chooseTransport`, which loads the native module. */
export class UwsTransport<Context> implements Transport {
  readonly #uws: typeof Uws;
  readonly #app: Uws.TemplatedApp;
  readonly #options: TransportOptions;
  #listening: Uws.us_listen_socket | undefined;
  #stopped = false;

  constructor(uws: typeof Uws, options: TransportOptions, handlers: TransportHandlers<Context>) {
    this.#uws = uws;
    this.#options = options;
    const { tls, traffic } = options;
    this.#app =
      tls === undefined
        ? uws.App()
        : uws.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile, ssl_prefer_low_memory_usage: true });
    this.#app.ws<UserData<Context>>('/*', {
      compression: uws.DISABLED,
      maxPayloadLength: options.frameBytes,
      maxBackpressure: options.backpressureBytes,
      closeOnBackpressureLimit: 1,
      // Between 8 and 960 s; agents ping more often than this, so the server need not.
      idleTimeout: Math.min(960, Math.max(8, Math.round(options.silenceMs / 1_000))),
      sendPingsAutomatically: false,
      upgrade: (res, req, context) => void this.#upgrade(res, req, { handlers, context }),
      open: (socket) => {
        const { held } = socket.getUserData();
        if (held.state instanceof UwsConnection) return;
        const { address, context } = held.state;
        held.state = new UwsConnection(socket, address, traffic);
        handlers.connections.opened(held.state, context);
      },
      message: (socket, data, isBinary) => {
        const { state } = socket.getUserData().held;
        const bytes = new Uint8Array(data);
        traffic.received(bytes, webSocketHead(bytes.length, 'in'));
        if (state instanceof UwsConnection) handlers.connections.received(state, bytes, isBinary);
      },
      ping: (socket, data) => {
        // It is answered by now, with the same data.
        traffic.heartbeat('in', data.byteLength);
        traffic.heartbeat('out', data.byteLength);
        const { state } = socket.getUserData().held;
        if (state instanceof UwsConnection) handlers.connections.pinged(state);
      },
      pong: (socket, data) => {
        traffic.heartbeat('in', data.byteLength);
        const { state } = socket.getUserData().held;
        if (state instanceof UwsConnection) handlers.connections.ponged(state, new Uint8Array(data));
      },
      close: (socket, code) => {
        const { state } = socket.getUserData().held;
        if (!(state instanceof UwsConnection)) return;
        state.detach();
        handlers.connections.closed(state, code);
      },
    });
    this.#app.any('/*', (res, req) => this.#http(res, req, handlers));
  }

  async listen(): Promise<number> {
    const { host, port } = this.#options;
    if (port !== 0) return this.#listenOn(port);
    // Port 0 is not passed on: uWebSockets sets SO_REUSEADDR for other ports only, and without it a gateway that was killed cannot bind its
    // port again for a minute. Another process may take the port before it is bound, so this is tried more than once.
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#listenOn(await freePort(host));
      } catch (error) {
        if (attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  stopListening(): void {
    if (this.#listening !== undefined) this.#uws.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#listening = undefined;
    this.#app.close();
  }

  #listenOn(port: number): Promise<number> {
    const { host } = this.#options;
    return new Promise((resolve, reject) => {
      this.#app.listen(host, port, (socket) => {
        if (socket === false) {
          reject(new Error(`cannot listen on ${host}:${port}`));
          return;
        }
        this.#listening = socket;
        resolve(port);
      });
    });
  }

  async #upgrade(
    res: Uws.HttpResponse,
    req: Uws.HttpRequest,
    { handlers, context }: { handlers: TransportHandlers<Context>; context: Uws.us_socket_context_t },
  ): Promise<void> {
    const handshake = handshakeOf(req);
    if (!asksForWebSocket(handshake)) {
      // uWebSockets takes every request with a key for an upgrade, but this one is a usual request.
      req.setYield(true);
      return;
    }
    const aborted = watchAbort(res);
    const address = this.#address(res, req);
    const { key } = handshake;
    const extensions = req.getHeader('sec-websocket-extensions');
    const request = {
      path: req.getUrl(),
      address,
      protocols: splitProtocols(req.getHeader('sec-websocket-protocol')),
      authorization: headerOf(req, 'authorization'),
      origin: headerOf(req, 'origin'),
    };
    const decision = await decide(handlers, request, refuseHandshake(handshake));
    if (aborted()) return;
    res.cork(() => {
      if (decision.kind === 'refuse') {
        respond(res, decision.reply);
        return;
      }
      const held = { state: { address, context: decision.context } };
      res.upgrade<UserData<Context>>({ held }, key, decision.protocol, extensions, context);
    });
  }

  #http(res: Uws.HttpResponse, req: Uws.HttpRequest, handlers: TransportHandlers<Context>): void {
    const handshake = handshakeOf(req);
    // An upgrade comes here only when uWebSockets saw no key in it, or no GET.
    const refused = asksForWebSocket(handshake) ? refuseHandshake(handshake) : undefined;
    const aborted = watchAbort(res);
    if (refused !== undefined) {
      respond(res, refused);
      return;
    }
    const head = {
      method: req.getMethod().toUpperCase(),
      path: req.getUrl(),
      address: this.#address(res, req),
      headers: Object.fromEntries(
        READ_HEADERS.flatMap((name) => {
          const value = headerOf(req, name);
          return value === undefined ? [] : [[name, value]];
        }),
      ),
    };
    const limit = this.#options.bodyBytes(head);
    const chunks: Buffer[] = [];
    let size = 0;
    let answered = false;
    const answer = async (reply: Promise<HttpReply>): Promise<void> => {
      answered = true;
      const settled = await reply.catch(() => FAILED);
      if (!aborted()) res.cork(() => respond(res, settled));
    };
    res.onData((chunk, isLast) => {
      if (answered) return;
      size += chunk.byteLength;
      if (size > limit) {
        void answer(Promise.resolve(TOO_LARGE));
        return;
      }
      // The chunk's memory is reused after this callback.
      if (chunk.byteLength > 0) chunks.push(Buffer.from(new Uint8Array(chunk)));
      if (isLast) void answer(handlers.http({ ...head, body: Buffer.concat(chunks) }));
    });
  }

  #address(res: Uws.HttpResponse, req: Uws.HttpRequest): string {
    const peer = plainAddress(Buffer.from(res.getRemoteAddressAsText()).toString());
    return clientAddress(peer, headerOf(req, 'x-forwarded-for'), this.#options.trustedProxies);
  }
}

async function decide<Context>(
  handlers: TransportHandlers<Context>,
  request: Parameters<TransportHandlers<Context>['upgrade']>[0],
  refused: HttpReply | undefined,
): Promise<UpgradeDecision<Context>> {
  if (refused !== undefined) return { kind: 'refuse', reply: refused };
  try {
    return await handlers.upgrade(request);
  } catch {
    return { kind: 'refuse', reply: FAILED };
  }
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function watchAbort(res: Uws.HttpResponse): () => boolean {
  let isAborted = false;
  res.onAborted(() => {
    isAborted = true;
  });
  return () => isAborted;
}

function respond(res: Uws.HttpResponse, reply: HttpReply): void {
  res.writeStatus(`${reply.status} ${STATUS_TEXT[reply.status] ?? 'Unknown'}`);
  const { connection, ...headers } = reply.headers;
  for (const [name, value] of Object.entries(headers)) res.writeHeader(name, value);
  // `Date` is written by uWebSockets itself, and so is `Connection`.
  const isLast = connection === 'close';
  // No argument: an undefined length would be sent as 2^63.
  if (isBodiless(reply.status)) res.endWithoutBody();
  else res.end(reply.body, isLast);
}

function handshakeOf(req: Uws.HttpRequest): HandshakeHead {
  return {
    method: req.getMethod().toUpperCase(),
    upgrade: req.getHeader('upgrade'),
    connection: req.getHeader('connection'),
    version: req.getHeader('sec-websocket-version'),
    key: req.getHeader('sec-websocket-key'),
  };
}

function headerOf(req: Uws.HttpRequest, name: string): string | undefined {
  const value = req.getHeader(name);
  return value === '' ? undefined : value;
}

/** uWebSockets writes IPv4 peers of a dual-stack socket as full IPv6; people and proxies' lists use the short form. */
function plainAddress(text: string): string {
  const mapped = /^(?:0{4}:){5}ffff:([0-9a-f]{2})([0-9a-f]{2}):([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  if (mapped !== null) {
    return mapped
      .slice(1)
      .map((part) => Number.parseInt(part, 16))
      .join('.');
  }
  return text === '0000:0000:0000:0000:0000:0000:0000:0001' ? '::1' : text;
}
