import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** How a connection of a flood behaves after it has connected. */
export type FloodKind =
  'silent' | 'half_closed' | 'tls_begun' | 'tls_done' | 'head_drips' | 'body_drips' | 'kept_alive';

export interface FloodOptions {
  readonly port: number;
  readonly kind: FloodKind;
  readonly count: number;
  /** The local addresses that connect, in turn. */
  readonly from: readonly string[];
  /** Valid credentials, for the kinds that use them. */
  readonly token?: string;
}

const DRIP_MS = 500;
/** Long enough that what is measured is how connections are held, not how fast the machine accepts them. */
const REOPEN_MS = 5_000;

/** Connections that want nothing but to occupy a server. One that is closed is opened again after a moment. */
export class Flood {
  readonly #options: FloodOptions;
  readonly #hello: Buffer | undefined;
  readonly #open = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;
  /** How often a connection was closed by the server. */
  closed = 0;

  private constructor(options: FloodOptions, hello: Buffer | undefined) {
    this.#options = options;
    this.#hello = hello;
  }

  static async start(options: FloodOptions): Promise<Flood> {
    const flood = new Flood(options, options.kind === 'tls_begun' ? await clientHello() : undefined);
    const connected = Array.from({ length: options.count }, (_, i) => flood.#connect(i));
    await Promise.all(connected);
    return flood;
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#open) socket.destroy();
  }

  /** Resolves when the socket has connected, or was refused. */
  #connect(i: number): Promise<void> {
    const { port, from, kind } = this.#options;
    const localAddress = from[i % from.length] ?? '127.0.0.1';
    const target = { host: '127.0.0.1', port, localAddress };
    const socket =
      kind === 'tls_done'
        ? connectTls({ ...target, rejectUnauthorized: false })
        : connect({ ...target, allowHalfOpen: true });
    this.#open.add(socket);
    return new Promise((resolve) => {
      socket.on('connect', () => {
        this.#behave(socket);
        resolve();
      });
      // What is sent is read and thrown away, so that an end is noticed.
      socket.resume();
      socket.on('error', () => socket.destroy());
      if (kind !== 'half_closed') socket.on('end', () => socket.destroy());
      socket.on('close', () => {
        this.#open.delete(socket);
        this.closed += 1;
        resolve();
        if (!this.#stopped) this.#later(() => void this.#connect(i));
      });
    });
  }

  #behave(socket: Socket): void {
    const { kind, token } = this.#options;
    switch (kind) {
      case 'silent':
      case 'tls_done':
        return;
      case 'half_closed':
        socket.end();
        return;
      case 'tls_begun':
        socket.write(this.#hello ?? '');
        return;
      case 'head_drips':
        this.#drip(socket, 'GET /v1/me HTTP/1.1\r\nhost: x\r\nx: ');
        return;
      case 'body_drips':
        this.#drip(
          socket,
          `POST /v1/queries HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n `,
        );
        return;
      case 'kept_alive':
        socket.write('GET /v1/me HTTP/1.1\r\nhost: x\r\n\r\n');
    }
  }

  #drip(socket: Socket, first: string): void {
    socket.write(first);
    const timer = setInterval(() => socket.writable && socket.write(' '), DRIP_MS);
    this.#timers.add(timer);
    socket.on('close', () => {
      clearInterval(timer);
      this.#timers.delete(timer);
    });
  }

  #later(run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#stopped) run();
    }, REOPEN_MS);
    this.#timers.add(timer);
  }
}

/** The first message of a TLS handshake, as Node sends it. */
async function clientHello(): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hello = new Promise<Buffer>((resolve) => {
    server.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (data: Buffer) => {
        resolve(data);
        socket.destroy();
      });
    });
  });
  const client = connectTls({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  client.on('error', () => undefined);
  try {
    return await hello;
  } finally {
    client.destroy();
    server.close();
  }
}
