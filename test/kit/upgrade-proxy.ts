import { type ClientRequest, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { buffer } from 'node:stream/consumers';

/**
 * What the proxy does with a WebSocket upgrade. `pass`: forwards it. `strip`: forwards it without its upgrade headers. `never`: does not
 * answer. `hold`: forwards it, but nothing after it. `cutAfterMs`: ends the connection later. `status`: answers itself.
 */
export type UpgradeTreatment =
  | 'pass'
  | 'strip'
  | 'never'
  | 'hold'
  | { readonly cutAfterMs: number }
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string };

export interface UpgradeProxyOptions {
  /** PEM. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** Gateways without TLS, `host:port`; requests go to them in turn. */
  readonly gateways: readonly string[];
  readonly upgrades?: UpgradeTreatment;
  /** Forwards bodies of requests in chunks, without a `Content-Length`. */
  readonly chunks?: boolean;
  /** Buffers whole bodies, in both directions, and forwards them after this time. */
  readonly holdsMs?: number;
}

/** A reverse proxy for HTTP and WebSockets that terminates TLS. */
export class UpgradeProxy {
  /** May be changed at any time. */
  upgrades: UpgradeTreatment;
  /** Upgrade requests so far. */
  asked = 0;
  /** Requests that are no upgrades, so far. */
  requests = 0;
  readonly #options: UpgradeProxyOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #turn = 0;

  private constructor(server: Server, options: UpgradeProxyOptions) {
    this.#server = server;
    this.#options = options;
    this.upgrades = options.upgrades ?? 'pass';
  }

  static async start(options: UpgradeProxyOptions): Promise<UpgradeProxy> {
    const server = createServer({ cert: options.tls.cert, key: options.tls.key });
    const proxy = new UpgradeProxy(server, options);
    server.on('connection', (socket: Socket) => proxy.#hold(socket));
    server.on('request', (request, response) => void proxy.#onRequest(request, response));
    server.on('upgrade', (request, socket: Socket) => proxy.#onUpgrade(request, socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    const { chunks = false, holdsMs } = this.#options;
    try {
      const { 'content-length': length, 'transfer-encoding': _coding, connection: _hop, ...headers } = request.headers;
      const body = holdsMs === undefined ? undefined : await whole(request, holdsMs);
      const isEmpty = length === undefined || length === '0';
      const size = isEmpty || chunks ? {} : { 'content-length': length };
      const call = this.#call(request, {
        ...headers,
        ...(isEmpty && request.method === 'POST' ? { 'content-length': '0' } : size),
      });
      call.on('error', () => response.destroy());
      call.on('response', (answer) => void this.#passBack(answer, response, holdsMs));
      if (body === undefined) request.pipe(call);
      else call.end(body);
    } catch {
      response.destroy();
    }
  }

  async #passBack(answer: IncomingMessage, response: ServerResponse, holdsMs: number | undefined): Promise<void> {
    const { connection: _hop, ...headers } = answer.headers;
    const body = holdsMs === undefined ? undefined : await whole(answer, holdsMs).catch(() => undefined);
    response.writeHead(answer.statusCode ?? 502, headers);
    if (holdsMs === undefined) answer.pipe(response);
    else response.end(body);
  }

  #onUpgrade(request: IncomingMessage, socket: Socket): void {
    this.asked += 1;
    const { upgrades } = this;
    socket.on('error', () => socket.destroy());
    if (upgrades === 'never') return;
    if (typeof upgrades === 'object' && 'status' in upgrades) {
      const { status, headers = {}, body = '' } = upgrades;
      const lines = Object.entries({ ...headers, 'content-length': String(Buffer.byteLength(body)) });
      socket.end(`HTTP/1.1 ${status} As configured\r\n${lines.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n${body}`);
      return;
    }
    const { connection, upgrade, ...rest } = request.headers;
    const call = this.#call(request, upgrades === 'strip' ? rest : { ...rest, connection, upgrade });
    call.on('error', () => socket.destroy());
    call.on('response', (answer) => {
      // The end of the connection ends the body, so its framing headers are dropped.
      socket.write(headOf(answer, { connection: 'close', 'transfer-encoding': undefined }));
      answer.pipe(socket);
    });
    call.on('upgrade', (answer, far, head) => {
      this.#hold(far);
      socket.write(headOf(answer));
      far.on('close', () => socket.destroy());
      socket.on('close', () => far.destroy());
      if (upgrades === 'hold') {
        for (const one of [socket, far]) one.resume();
        return;
      }
      socket.write(head);
      far.pipe(socket).pipe(far);
      if (typeof upgrades === 'object') setTimeout(() => socket.destroy(), upgrades.cutAfterMs).unref();
    });
    call.end();
  }

  #call(
    { method, url }: IncomingMessage,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): ClientRequest {
    const { gateways } = this.#options;
    const [host, port] = (gateways[this.#turn++ % gateways.length] ?? '').split(':');
    return requestHttp({ host, port, method, path: url, headers: definedOnly(headers), agent: false });
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

async function whole(message: IncomingMessage, thenMs: number): Promise<Buffer> {
  const body = await buffer(message);
  await delay(thenMs);
  return body;
}

/** The head of the response, with some headers replaced or removed. */
function headOf(
  { statusCode, statusMessage, rawHeaders }: IncomingMessage,
  instead: Readonly<Record<string, string | undefined>> = {},
): string {
  const lines = Object.entries(definedOnly(instead)).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!(name.toLowerCase() in instead)) lines.push(`${name}: ${rawHeaders[i + 1] ?? ''}\r\n`);
  }
  return `HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join('')}\r\n`;
}

function definedOnly(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined),
  );
}
