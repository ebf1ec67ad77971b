import type { ErrorCode, OrgId, QueryId, SqlParameter, SqlValue } from '@muster/protocol';
import type { PackReference, QueryBudget, QueryRecord, ResultForm } from '@muster/records';

/** Requests of the API to query services, and the replies. */

export interface StartQuery {
  readonly t: 'start';
  /** Minted by who asks, so that a request that reaches two services starts one query. Absent: the service mints it. */
  readonly id?: QueryId;
  readonly org: OrgId;
  readonly operator: string;
  readonly operatorName: string;
  readonly sql: string;
  readonly selector: string;
  /**
   * A number set: only these endpoints. It stands for what `selector` requires of `health`, and is there only where it
   * requires something.
   */
  readonly among?: Uint8Array;
  /** The operator's own selector, joined to `selector` by AND. */
  readonly bound: string;
  readonly mode: ResultForm;
  readonly reduce?: string;
  /** Values for the `:name` of both statements. A service that does not know them refuses the statement. */
  readonly parameters?: readonly SqlParameter[];
  readonly timeoutMs: number;
  /** What one endpoint may spend. Absent: the default. */
  readonly budget?: QueryBudget;
  /** The sensitivities of tables that the caller may ask. Absent, as from an older API: none. */
  readonly sensitivities?: readonly string[];
  /** A scan: these checks run, and `sql` only says so. */
  readonly pack?: PackReference;
  /** `among` are endpoints that gave no answer to this query. */
  readonly retryOf?: QueryId;
  /** Makes it a hunt, which ends then. `timeoutMs` is how long one endpoint may take. */
  readonly waitUntilMs?: number;
  /** A hunt that asks also endpoints which enrol later. */
  readonly standing?: boolean;
}

export type QueryRequest =
  | StartQuery
  /** Checks a query without running it. */
  | (Omit<StartQuery, 't'> & { readonly t: 'compile' })
  | { readonly t: 'cancel'; readonly org: OrgId; readonly id: QueryId; readonly by: string }
  | {
      readonly t: 'reduce';
      readonly org: OrgId;
      readonly id: QueryId;
      readonly sql: string;
      readonly parameters?: readonly SqlParameter[];
      /** Queries that it asks again, the first one at the beginning: over their rows too. */
      readonly earlier?: readonly QueryId[];
      /** Whose share of the reductions it takes. */
      readonly operator?: string;
      /** Names it for {@link ReduceStop}; unique. */
      readonly job?: string;
    }
  /** The coordinator of this query does not answer: end the query as interrupted. */
  | { readonly t: 'adopt'; readonly org: OrgId; readonly id: QueryId };

/**
 * API → all query services: nobody waits for this reduction any more. Which of them runs it is not known. One that was lost costs no
 * more than the time limit of a reduction.
 */
export interface ReduceStop {
  readonly t: 'reduce_stop';
  readonly job: string;
}

export type QueryReply =
  | { readonly t: 'started'; readonly record: QueryRecord }
  | { readonly t: 'compiled'; readonly columns: readonly string[]; readonly tables: readonly string[] }
  | { readonly t: 'cancelled' }
  | {
      readonly t: 'reduced';
      readonly columns: readonly string[];
      readonly rows: readonly (readonly SqlValue[])[];
      readonly truncated: boolean;
      /** Of how many queries the rows are; absent: of one. */
      readonly queries?: number;
    }
  | { readonly t: 'adopted' }
  | {
      readonly t: 'problem';
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: Readonly<Record<string, unknown>>;
    };
