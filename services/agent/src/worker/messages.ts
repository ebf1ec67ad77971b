import type { AgentOutcome, Budget } from '@muster/protocol';
import type { TrafficRow } from '../traffic/traffic-meter.js';

/** A request of the main thread to a worker. A worker gets one at a time. */
export interface WorkerRequest {
  readonly sql: string;
  /** The column names that the result must have; absent for statements typed on this machine, which are not checked. */
  readonly columns?: readonly string[];
  readonly budget: Budget;
  readonly chunkBytes: number;
  /** The agent's traffic until now; a worker thread cannot read it. */
  readonly traffic?: readonly TrafficRow[];
}

/** How a statement ended that did not give its whole answer. */
export interface QueryFailure {
  readonly outcome: AgentOutcome;
  readonly code: string;
  readonly message: string;
}

/** Messages of a worker about its request. Rows are a CBOR sequence in a transferred buffer. */
export type WorkerReply =
  /** The engine is loaded: the time of the statement starts. */
  | { readonly t: 'started' }
  | { readonly t: 'rows'; readonly rows: Uint8Array }
  | { readonly t: 'done'; readonly columns: readonly string[]; readonly failure?: QueryFailure };
