import { createServer, type AddressInfo } from 'node:net';
import { CONNECT_PROOF_HEADER } from '@muster/protocol';
import type * as Uws from 'uWebSockets.js';
import { webSocketHead } from '../../traffic/frame-traffic.js';
import { FAILED } from '../http/replies.js';
import type { ReceiveBuffers } from './receive-buffers.js';
import {
  splitProtocols,
  type Transport,
  type TransportHandlers,
  type TransportOptions,
  type UpgradeDecision,
  type UpgradeRequest,
} from './transport.js';
import { UwsConnection } from './uws-connection.js';
import { addressOf, afterRead, answerHttp, readHead, respond, watchAbort } from './uws-http.js';
import { asksForWebSocket, refuseHandshake } from './websocket-handshake.js';

/**
 * uWebSockets copies the members of its user data object, so it gets exactly one. The context of the upgrade is only needed until the
 * connection opens. It must not stay in memory, tens of thousands of times.
 */
interface UserData<Context> {
  readonly held: { state: UwsConnection | { readonly address: string; readonly context: Context } };
}

const PORT_ATTEMPTS = 5;

interface NativeModules {
  readonly uws: typeof Uws;
  /** Bounds what one read brings; needed for TLS only. */
  readonly receiveBuffers?: ReceiveBuffers | undefined;
}

/**
 * The fast transport. Made by `chooseTransport`, which loads the native modules.
 *
 * Under TLS uWebSockets loses bytes when it reads more than its buffer of 512 KiB holds, and anything is written to any socket before that
 * read is over; it answers pings within it. So the kernel keeps less than that for a socket (`docs/decisions/bounded-reads-under-tls.md`).
 */
export class UwsTransport<Context> implements Transport {
  readonly #uws: typeof Uws;
  /** One for each certificate so far: uWebSockets binds it to the app, whose sessions go on. The last one listens. */
  readonly #apps: Uws.TemplatedApp[] = [];
  readonly #options: TransportOptions;
  readonly #handlers: TransportHandlers<Context>;
  readonly #receiveBuffers: ReceiveBuffers | undefined;
  #listening: Uws.us_listen_socket | undefined;
  #port = 0;
  #stopped = false;

  constructor(native: NativeModules, options: TransportOptions, handlers: TransportHandlers<Context>) {
    const { uws } = native;
    this.#uws = uws;
    this.#receiveBuffers = native.receiveBuffers;
    this.#options = options;
    this.#handlers = handlers;
    this.#apps.push(this.#createApp());
  }

  #createApp(): Uws.TemplatedApp {
    const [uws, options, handlers] = [this.#uws, this.#options, this.#handlers];
    const { tls, traffic } = options;
    const app =
      tls === undefined
        ? uws.App()
        : uws.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile, ssl_prefer_low_memory_usage: true });
    app.ws<UserData<Context>>('/*', {
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
    app.any('/*', (res, req) => answerHttp({ res, req }, handlers, options));
    return app;
  }

  async listen(): Promise<number> {
    this.#port = await this.#bind();
    await this.#boundAccepted(this.#port);
    return this.#port;
  }

  /** A second app listens on the same port (SO_REUSEPORT) before the first one stops to: there is always one. */
  async renewCertificate(): Promise<void> {
    const former = this.#listening;
    if (this.#options.tls === undefined || former === undefined) return;
    const app = this.#createApp();
    this.#apps.push(app);
    await this.#listenOn(this.#port);
    this.#uws.us_listen_socket_close(former);
    await this.#boundAccepted(this.#port);
  }

  async #boundAccepted(port: number): Promise<void> {
    if (this.#receiveBuffers === undefined) return;
    this.#boundReads(this.#receiveBuffers, port);
    // Connections that came before the bound was set are accepted in the next turn of the loop, which ends after one more.
    await afterRead();
    await afterRead();
    this.#boundReads(this.#receiveBuffers, port);
  }

  stopListening(): void {
    if (this.#listening !== undefined) this.#uws.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#listening = undefined;
    for (const app of this.#apps) app.close();
  }

  async #bind(): Promise<number> {
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

  #boundReads(receiveBuffers: ReceiveBuffers, port: number): void {
    if (!receiveBuffers.bound(port)) throw new Error(`cannot bound the receive buffers of the sockets on port ${port}`);
  }

  #listenOn(port: number): Promise<number> {
    const { host } = this.#options;
    return new Promise((resolve, reject) => {
      this.#apps.at(-1)?.listen(host, port, (socket) => {
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
    const head = readHead(req);
    const method = req.getMethod().toUpperCase();
    // uWebSockets takes every request with a key for an upgrade.
    if (!asksForWebSocket(head) || (head.refuse() ?? refuseHandshake(method, head)) !== undefined) {
      req.setYield(true);
      return;
    }
    const aborted = watchAbort(res);
    const request = {
      path: req.getUrl(),
      address: addressOf(res, head, this.#options.trustedProxies),
      protocols: splitProtocols(head.get('sec-websocket-protocol')),
      authorization: head.get('authorization'),
      proof: head.get(CONNECT_PROOF_HEADER),
      origin: head.get('origin'),
    };
    const decision = await decide(handlers, request);
    if (aborted()) return;
    res.cork(() => {
      if (decision.kind === 'refuse') {
        respond(res, decision.reply);
        return;
      }
      const held = { state: { address: request.address, context: decision.context } };
      const [key, extensions] = [head.get('sec-websocket-key') ?? '', head.get('sec-websocket-extensions') ?? ''];
      res.upgrade<UserData<Context>>({ held }, key, decision.protocol, extensions, context);
    });
  }
}

async function decide<Context>(
  handlers: TransportHandlers<Context>,
  request: UpgradeRequest,
): Promise<UpgradeDecision<Context>> {
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
