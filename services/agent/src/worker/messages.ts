import type { AgentOutcome, Budget } from '@muster/protocol';
import type { TrafficRow } from '../traffic/traffic-meter.js';

/** What the main thread asks of a worker, one at a time. */
export interface WorkerRequest {
  readonly sql: string;
  /** Names that the result must have; not checked when absent (a query typed on this machine). */
  readonly columns?: readonly string[];
  readonly budget: Budget;
  readonly chunkBytes: number;
  /** What the agent has sent and received until now: a thread of its own cannot look. */
  readonly traffic?: readonly TrafficRow[];
}

/** How a statement that did not give its whole answer ended. */
export interface QueryFailure {
  readonly outcome: AgentOutcome;
  readonly code: string;
  readonly message: string;
}

/** What a worker says of the request it has. Rows travel as a CBOR sequence in a buffer that changes hands. */
export type WorkerReply =
  /** The engine is loaded: the statement's time begins. */
  | { readonly t: 'started' }
  | { readonly t: 'rows'; readonly rows: Uint8Array }
  | { readonly t: 'done'; readonly columns: readonly string[]; readonly failure?: QueryFailure };
