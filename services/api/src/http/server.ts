import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import type { ConnectionGuard } from '@muster/runtime';

export interface ApiServerOptions {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Bounds the connections. */
  readonly guard: Pick<ConnectionGuard, 'watch'>;
  /** For the TLS handshake, and again for the head of a request. */
  readonly headTimeoutMs: number;
  /** From the first byte of a request to the last one of its body. */
  readonly requestTimeoutMs: number;
  readonly handler: RequestListener;
  /** Called when a drain begins. Must end the event streams, which would not end by themselves. */
  readonly onDrain: () => void;
}

const MAX_HEADER_BYTES = 16 * 1024;
/** How often the deadlines of requests are checked. */
const CHECK_INTERVAL_MS = 1_000;
/** Above the idle timeouts of load balancers, so that they close idle connections, and not this server. */
const KEEP_ALIVE_MS = 75_000;
/** A caller that takes nothing of its whole answer for this long is cut. */
const ANSWER_STALL_MS = 60_000;
/** Connections that the kernel holds until they are accepted (Linux: at most `net.core.somaxconn`). */
const BACKLOG = 4_096;

/** The listening socket, plain or TLS. Throws when the certificate cannot be read. */
export class ApiServer {
  readonly #server: Server;
  readonly #options: ApiServerOptions;

  constructor(options: ApiServerOptions) {
    const { tls, handler, guard, headTimeoutMs, requestTimeoutMs } = options;
    this.#options = options;
    const limits = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: headTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    };
    this.#server =
      tls === undefined
        ? createServer(limits, handler)
        : createTlsServer(
            {
              ...{ ...limits, handshakeTimeout: headTimeoutMs },
              ...contextOf(tls),
            },
            handler,
          );
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS;
    this.#server.timeout = ANSWER_STALL_MS;
    guard.watch(this.#server);
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      const { port, host } = this.#options;
      this.#server.listen({ port, host, backlog: BACKLOG }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  /**
   * Takes certificate and key from their files again, for connections from now on. Throws when they are not valid; the
   * old ones stay then.
   */
  renewCertificate(): void {
    const { tls } = this.#options;
    if (tls !== undefined && this.#server instanceof TlsServer) this.#server.setSecureContext(contextOf(tls));
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

function contextOf({ certFile, keyFile }: NonNullable<ApiServerOptions['tls']>): SecureContextOptions {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile), minVersion: 'TLSv1.2' };
}
