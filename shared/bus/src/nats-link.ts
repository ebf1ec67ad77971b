import { errors, type NatsConnection } from '@nats-io/transport-node';
import type { Logger } from '@muster/runtime';

/** So many refusals are logged each, then one in so many. */
const MAX_TOLD = 100;

/**
 * One NATS connection, shared by bus and stream store. It knows whether the connection is up. When it goes down, pending
 * answers resolve as `lost` at once; the client library alone would let them run into their timeouts.
 */
export class NatsLink {
  readonly nc: NatsConnection;
  readonly logger: Logger;
  connected = true;
  /** `stop` was called: a loss of the connection is expected. */
  stopping = false;
  reconnects = 0;
  /** What the server did not allow this user. */
  refused = 0;
  readonly inboxPrefix: string;
  private readonly listeners = new Set<(connected: boolean) => void>();
  private readonly waiting = new Set<() => void>();
  /** Called when the connection is closed for good. */
  private readonly settled = new Set<() => void>();

  constructor(nc: NatsConnection, logger: Logger, inboxPrefix: string) {
    this.inboxPrefix = inboxPrefix;
    this.nc = nc;
    this.logger = logger;
    void this.watch();
  }

  onChange(listener: (connected: boolean) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Resolves with the answer, or with `lost` as soon as the connection is lost or the signal aborted. Rejects as `answer` does. */
  orLost<T>(answer: Promise<T>, signal?: AbortSignal): Promise<T | typeof lost> {
    if (!this.connected || signal?.aborted === true) {
      answer.catch(() => undefined);
      return Promise.resolve(lost);
    }
    return new Promise((resolve, reject) => {
      const cut = () => resolve(lost);
      this.waiting.add(cut);
      signal?.addEventListener('abort', cut, { once: true });
      answer.then(resolve, reject).finally(() => {
        this.waiting.delete(cut);
        signal?.removeEventListener('abort', cut);
      });
    });
  }

  /** Resolves with true when the connection is up, with false when it is closed for good or the signal is aborted. */
  whenConnected(signal?: AbortSignal): Promise<boolean> {
    if (this.nc.isClosed() || signal?.aborted === true) return Promise.resolve(false);
    if (this.connected) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = () => {
        this.settled.delete(settle);
        this.listeners.delete(settle);
        signal?.removeEventListener('abort', settle);
        resolve(this.connected && signal?.aborted !== true);
      };
      this.listeners.add(settle);
      this.settled.add(settle);
      signal?.addEventListener('abort', settle, { once: true });
    });
  }

  private change(connected: boolean): void {
    if (this.connected === connected) return;
    this.connected = connected;
    if (!connected) {
      for (const cut of this.waiting) cut();
      this.waiting.clear();
    }
    for (const listener of this.listeners) listener(connected);
  }

  private tell(error: Error): void {
    if (!(error instanceof errors.PermissionViolationError)) {
      this.logger.error('nats reports an error', { err: error });
      return;
    }
    this.refused += 1;
    // Whoever is refused once may be refused with each message.
    if (this.refused > MAX_TOLD && this.refused % MAX_TOLD !== 0) return;
    const { operation, subject } = error;
    this.logger.error('nats does not allow this', { operation, subject, refused: this.refused });
  }

  private async watch(): Promise<void> {
    for await (const status of this.nc.status()) {
      switch (status.type) {
        case 'disconnect':
          this.change(false);
          if (!this.stopping) this.logger.warn('connection to nats lost', { server: status.server });
          break;
        case 'reconnect':
          this.reconnects += 1;
          this.change(true);
          this.logger.info('connection to nats is back', { server: status.server });
          break;
        case 'error':
          this.tell(status.error);
          break;
        case 'close':
          this.change(false);
          break;
        default:
          break;
      }
    }
    this.change(false);
    for (const settle of this.settled) settle();
  }
}

/** The connection went away before the answer came. */
export const lost = Symbol('connection lost');

export function isNoResponders(error: unknown): boolean {
  if (error instanceof errors.NoRespondersError) return true;
  return error instanceof errors.RequestError && error.isNoResponders();
}

export function isTimeout(error: unknown): boolean {
  return error instanceof errors.TimeoutError || (error instanceof Error && error.cause instanceof errors.TimeoutError);
}
