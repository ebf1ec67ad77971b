import type { CommandJson, CommandLedgerJson, FailureJson, LedgerJson, QueryJson } from '@muster/api-contract';
import type { Fault } from '../faults/fault.js';

/** What callers and viewers of the system were told. The oracle judges it. Times are milliseconds since 1970. */

/** One request that makes something, and its answer. */
export interface Attempt {
  readonly fromMs: number;
  readonly toMs: number;
  /** Absent where no answer came: the connection broke. */
  readonly status?: number;
  readonly code?: string;
  readonly detail?: string;
  /** The id of what it made. */
  readonly id?: string;
  readonly broke?: string;
  /** Sent while another request with its key was under way. */
  readonly beside?: boolean;
  /** How long the answer was to wait for an outcome. */
  readonly waitMs?: number;
}

/** What one reader of a query's events was told. */
export interface Viewing {
  readonly fromMs: number;
  readonly unbalanced: LedgerJson[];
  /** Endpoints whose rows it was told. */
  readonly agents: Set<string>;
  ended?: { readonly atMs: number; readonly query: QueryJson; readonly synthesized: boolean };
  /** The query as a GET directly after the end showed it. */
  afterEnd?: QueryJson;
  failed?: string;
}

export interface QueryObservation {
  /** The number of the question; its rows carry it. */
  readonly ask: number;
  readonly key: string;
  readonly mode: 'raw' | 'group';
  readonly timeoutMs: number;
  readonly attempts: Attempt[];
  readonly viewings: Viewing[];
  id?: string;
  cancelledAtMs?: number;
  /** Its caller and its viewers wait for nothing more. */
  done?: boolean;
}

export interface CommandObservation {
  readonly key: string;
  readonly attempts: Attempt[];
  /** Every command that an answer or an event showed as ended. */
  readonly toldEnds: CommandJson[];
  readonly unbalanced: CommandLedgerJson[];
  id?: string;
}

/** A query as it is kept. */
export interface KeptQuery {
  readonly query: QueryJson;
  /** Raw: the endpoints that have rows, each as often as it has. Group: absent. */
  readonly agents?: readonly string[];
  /** How many endpoints the kept rows stand for. */
  readonly endpoints: number;
  readonly failures: readonly FailureJson[];
  /** Rows that the endpoint cannot have given, or that answer another question. */
  readonly wrong: readonly string[];
}

export interface FaultInterval {
  readonly fault: Fault;
  readonly fromMs: number;
  /** When every struck part ran again. */
  healedMs?: number;
  /** When the whole system worked again. */
  wholeMs?: number;
}
