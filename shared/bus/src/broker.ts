import type { Bus } from './bus.js';
import type { StreamStore } from './stream-store.js';

/** One connection to a broker, with its live side and its stored side. Its creator stops it. */
export interface Broker {
  readonly bus: Bus;
  readonly streams: StreamStore;
  /** Ends the connection. Idempotent, bounded; afterwards publishes are `dropped` and requests `disconnected`. */
  stop(options?: StopOptions): Promise<void>;
}

export interface StopOptions {
  /** First send what was published, and let handlers process what was received. Default true. */
  readonly drain?: boolean;
  /** For the whole stop; default 5,000. */
  readonly timeoutMs?: number;
}
