import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface ApiServerOptions {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly maxConnections: number;
  readonly handler: RequestListener;
  /** Called when a drain begins. Must end the event streams, which would not end by themselves. */
  readonly onDrain: () => void;
}

const LIMITS = {
  maxHeaderSize: 16 * 1024,
  // From the first byte of a request to its last. A body of 1 MiB on a slow line fits.
  headersTimeout: 10_000,
  requestTimeout: 30_000,
} as const;

/** The listening socket, plain or TLS. Throws when the certificate cannot be read. */
export class ApiServer {
  readonly #server: Server;
  readonly #options: ApiServerOptions;

  constructor(options: ApiServerOptions) {
    const { tls, handler, maxConnections } = options;
    this.#options = options;
    this.#server =
      tls === undefined
        ? createServer(LIMITS, handler)
        : createTlsServer(
            { ...LIMITS, cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile), minVersion: 'TLSv1.2' },
            handler,
          );
    // Above the idle timeouts of load balancers, so that they close idle connections, and not this server.
    this.#server.keepAliveTimeout = 75_000;
    this.#server.maxConnections = maxConnections;
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.port, this.#options.host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  ports(): { readonly api: number } {
    return { api: (this.#server.address() as AddressInfo | null)?.port ?? 0 };
  }

  /** Waits for answers in progress. When the signal is aborted the remaining connections are closed. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#options.onDrain();
    if (!this.#server.listening) return;
    const cut = (): void => this.#server.closeAllConnections();
    signal.addEventListener('abort', cut, { once: true });
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
    });
    signal.removeEventListener('abort', cut);
  }

  stop(): void {
    this.#options.onDrain();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
