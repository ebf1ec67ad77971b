import type {
  EndpointNameJson,
  FailureJson,
  LedgerJson,
  PollingJson,
  WorkingJson,
  QueryJson,
  ReducedJson,
  WarningJson,
} from '@muster/api-contract';
import type { FailureGroup } from './failure-store.js';
import type { ColumnKey } from './row-filter.js';
import type { EndpointName, Value } from './row-store.js';
import type { View, ViewGroup } from './row-view.js';

/** What a page and the worker that holds its rows say to each other. */

export type ToWorker =
  | { readonly kind: 'open'; readonly queryId: string; readonly stream: MessagePort }
  | { readonly kind: 'view'; readonly view: View; readonly version: number }
  | { readonly kind: 'take' }
  | { readonly kind: 'close' }
  | { readonly kind: 'slice'; readonly from: number; readonly to: number }
  | { readonly kind: 'failures'; readonly request: number; readonly outcome?: string; readonly message?: string }
  | { readonly kind: 'endpoints'; readonly request: number }
  | {
      readonly kind: 'csv';
      readonly request: number;
      readonly keys: readonly ColumnKey[];
      readonly names: readonly string[];
    }
  | { readonly kind: 'failuresCsv'; readonly request: number }
  | { readonly kind: 'pick'; readonly request: number; readonly first: number };

/** How the reading of a query stands. `held`: it is refused for now, and goes on by itself. */
export type Phase = 'opening' | 'streaming' | 'stalled' | 'held' | 'lost' | 'signed_out' | 'ended' | 'refused';

export interface RowsState {
  readonly phase: Phase;
  readonly query: QueryJson | undefined;
  readonly ledger: LedgerJson | undefined;
  readonly polling: PollingJson | undefined;
  readonly working: WorkingJson | undefined;
  readonly elapsedMs: number;
  readonly columns: readonly string[];
  /** Rows that are kept, and rows that came and are not. */
  readonly kept: number;
  readonly dropped: number;
  /** How many lines the view has, and how many rows wait to be taken in. */
  readonly length: number;
  readonly pending: number;
  readonly version: number;
  readonly failures: number;
  readonly failureGroups: readonly FailureGroup[];
  readonly warnings: readonly WarningJson[];
  readonly reduced: (ReducedJson & { readonly error?: string | undefined }) | undefined;
  readonly lastSeq: number | undefined;
  /** Why the query cannot be read, now or at all; and since when the stream is away. */
  readonly problem: { readonly code: string; readonly detail: string } | undefined;
  readonly since: number | undefined;
  /** The results have expired, and this is what the record of the query says. */
  readonly synthesized: boolean;
}

/** One line of the table. */
export interface Line {
  readonly place: number;
  readonly endpoint?: (EndpointName & { readonly num: number }) | undefined;
  readonly endpoints?: number | undefined;
  readonly copies?: number | undefined;
  readonly sample?: readonly EndpointNameJson[] | undefined;
  readonly values: readonly Value[];
  readonly group?: ViewGroup | undefined;
}

export type FromWorker =
  | { readonly kind: 'state'; readonly state: RowsState }
  | { readonly kind: 'slice'; readonly version: number; readonly from: number; readonly lines: readonly Line[] }
  | { readonly kind: 'answer'; readonly request: number; readonly answer: unknown };

export type FailureAnswer = readonly FailureJson[];
export type EndpointsAnswer = readonly (EndpointName & { readonly num: number; readonly rows: number })[];
/** The first rows of the view with their endpoint, by column name, as a command is bound to them. */
export interface PickAnswer {
  readonly rows: readonly { readonly agentId: string; readonly row: Record<string, unknown> }[];
  /** Rows whose endpoint is not known. */
  readonly omitted: number;
}
