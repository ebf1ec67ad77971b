import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** A proxy for tests. It supports CONNECT and records the requested targets. */
export class ConnectProxy {
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `credentials`: the required `user:password`. `forbids`: answers 403 to everything. `tls`: clients connect with TLS. */
  static async start(
    options: { credentials?: string; forbids?: boolean; tls?: { cert: string; key: string } } = {},
  ): Promise<ConnectProxy> {
    const refuse: RequestListener = (_request, response) => response.writeHead(400).end();
    const server = options.tls === undefined ? createServer(refuse) : createTlsServer(options.tls, refuse);
    const proxy = new ConnectProxy(server);
    const wanted = options.credentials && `Basic ${Buffer.from(options.credentials).toString('base64')}`;
    server.on('connect', (request, client: Socket) => {
      proxy.asked.push(request.url ?? '');
      proxy.#hold(client);
      if (options.forbids === true) return client.end('HTTP/1.1 403 Forbidden by policy\r\ncontent-length: 0\r\n\r\n');
      if (wanted !== undefined && request.headers['proxy-authorization'] !== wanted) {
        return client.end(
          'HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm="test"\r\ncontent-length: 0\r\n\r\n',
        );
      }
      const { hostname, port } = new URL(`http://${request.url}`);
      // Names that only the proxy can resolve.
      const target = connect(Number(port), hostname.endsWith('.internal') ? '127.0.0.1' : hostname, () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        target.pipe(client).pipe(target);
      });
      proxy.#hold(target);
      target.on('close', () => client.destroy());
      client.on('close', () => target.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket.on('error', () => {}));
  }
}
