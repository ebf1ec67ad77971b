import type { AgentOutcome, Binding, Budget, Params, SqlParameter, WarningsBody } from '@muster/protocol';
import type { JudgedCheck } from '@muster/packs/verdict';
import type { ActionHost, ActionResult, JsonValue } from '../actions/contract/action.js';
import type { RecordedEvents } from '../events/contract/recorded-events.js';
import type { RunningAgent } from '../tables/platform-tables.js';
import type { TrafficRow } from '../traffic/traffic-meter.js';

/** One statement. */
export interface QueryRequest {
  readonly sql: string;
  /** Values for its `:name`. */
  readonly parameters?: readonly SqlParameter[];
  /** The column names that the result must have; absent for statements typed on this machine, which are not checked. */
  readonly columns?: readonly string[];
  readonly budget: Budget;
  /** When it ends at the latest, by the clock of this machine: loading the engine takes time too. */
  readonly untilMs?: number;
  readonly chunkBytes: number;
  /** The running agent, for tables about it. */
  readonly about?: RunningAgent;
  /** The agent's traffic until now; a worker cannot read it. */
  readonly traffic?: readonly TrafficRow[];
  /** What the agent has recorded of the kernel's events, for statements that ask for it. Absent: it records nothing. */
  readonly events?: RecordedEvents;
}

/** The checks of a pack, from one of them on. */
export interface ChecksRequest extends Pick<QueryRequest, 'about' | 'traffic' | 'events'> {
  readonly checks: readonly JudgedCheck[];
  /** The first that runs. */
  readonly from: number;
  /** What all of them may take, and what one may. */
  readonly budgetMs: number;
  readonly checkMs: number;
  /** UTF-16 code units of evidence that may still be told. */
  readonly evidenceChars: number;
}

/** One run of an action, or the undo of one. */
export interface ActionRequest {
  readonly action: string;
  readonly params: Params;
  readonly binding?: Binding;
  readonly dryRun: boolean;
  readonly id: string;
  readonly number: number;
  readonly undo?: { readonly action: string; readonly kept: JsonValue };
  readonly host: Pick<ActionHost, 'platform' | 'dataDir' | 'agentPids'> & {
    readonly protect: readonly string[];
    readonly gatewayPeers: ReturnType<ActionHost['gatewayPeers']>;
    /** The environment of programs, where it is not the usual one. */
    readonly env?: Readonly<Record<string, string>>;
  };
}

/** What the agent tells a worker process. It gets one statement or action at a time. */
export type WorkerRequest =
  /** `hung`: paths at which work hangs. */
  | { readonly t: 'query'; readonly query: QueryRequest; readonly hung: readonly string[] }
  /** The checks of a pack, one after the other. */
  | { readonly t: 'checks'; readonly scan: ChecksRequest; readonly hung: readonly string[] }
  | { readonly t: 'action'; readonly call: ActionRequest; readonly hung: readonly string[] }
  /** The action is told to end; `isLate`: because its time is over. */
  | { readonly t: 'abort'; readonly isLate: boolean }
  /** The answer to `keep`. */
  | { readonly t: 'kept'; readonly fault?: string };

/** How a statement ended that did not give its whole answer. */
export interface QueryFailure {
  readonly outcome: AgentOutcome;
  readonly code: string;
  readonly message: string;
}

/** What a worker process tells. Rows are a CBOR sequence. */
export type WorkerReply =
  /** The engine is loaded: the time of the statement starts. */
  | { readonly t: 'started' }
  | { readonly t: 'rows'; readonly rows: Uint8Array }
  | {
      readonly t: 'done';
      readonly columns: readonly string[];
      readonly failure?: QueryFailure;
      /** What the answer lacks. */
      readonly warnings?: WarningsBody['warnings'];
    }
  /** What the action needs for its undo; it goes on after `kept`. */
  | { readonly t: 'keep'; readonly info: JsonValue }
  | { readonly t: 'result'; readonly result: ActionResult }
  | { readonly t: 'log'; readonly level: LogLevel; readonly message: string; readonly fields: object };

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
