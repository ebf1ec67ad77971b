import type { Bus } from './bus.js';
import type { StreamStore } from './stream-store.js';

/** One connection to a broker, with its live and its kept side. Whoever made it stops it. */
export interface Broker {
  readonly bus: Bus;
  readonly streams: StreamStore;
  /** Ends the connection. Idempotent, bounded; afterwards publishes are `dropped` and requests `disconnected`. */
  stop(options?: StopOptions): Promise<void>;
}

export interface StopOptions {
  /** First let the broker take what was published, and handlers see what was delivered. Default true. */
  readonly drain?: boolean;
  /** For the whole stop; default 5,000. */
  readonly timeoutMs?: number;
}
