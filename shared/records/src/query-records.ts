import {
  decodeCbor,
  encodeCborUnsorted,
  type Ledger,
  type OrgId,
  type Outcome,
  type CoordinatorId,
  type QueryId,
  type SqlParameter,
  type SqlValue,
} from '@muster/protocol';
import type { PackReference } from './pack-reference.js';

/** What streams store of queries: the record of each, and the events of its result stream. */

/** `raw`: rows with their endpoint. `group`: equal rows become one with the number of endpoints. */
export type ResultForm = 'raw' | 'group';

/** An endpoint that did not answer: number, outcome, code, message. */
export type Failure = readonly [num: number, outcome: Outcome, code: string, message: string];

/** What the answer of an endpoint lacks: number, reason, how many objects, one of them. */
export type AnswerWarning = readonly [num: number, code: string, count: number, message: string];

/** Endpoints that work on a query that takes long, by what they say of themselves. */
export interface Working {
  readonly endpoints: number;
  /** How many of them stand still, because their machine is busy or on battery. */
  readonly paused: number;
  /** How many files, processes and the like they have looked at together. */
  readonly looked: number;
}

/** running → complete (all settled or deadline) | cancelled | interrupted (its coordinator died). */
export type QueryState = 'running' | 'complete' | 'cancelled' | 'interrupted';

/**
 * What makes a query a hunt: it waits for absent endpoints until its deadline, and changes its coordinator instead of
 * being interrupted.
 */
export interface HuntTerms {
  /** The last number of an agent that it asks: those that enrolled later are not. Absent in a standing hunt. */
  readonly through?: number;
}

/** The time that one endpoint may spend on a query, and whether its other programs go first. More than 10 s takes low priority. */
export interface QueryBudget {
  readonly ms: number;
  readonly priority: 'normal' | 'low';
}

/** The durable record of a query; the last version counts. */
export interface QueryRecord {
  readonly id: QueryId;
  readonly org: OrgId;
  /** The operator's token or subject id, and the name shown to people. */
  readonly operator: string;
  readonly operatorName: string;
  readonly sql: string;
  /** The requested selector, and that one joined with the operator's own. */
  readonly selector: string;
  readonly scope: string;
  /** A number set: only these endpoints, in place of what the scope requires of `health`. */
  readonly among?: Uint8Array;
  readonly mode: ResultForm;
  readonly columns: readonly string[];
  readonly reduce?: string;
  /** The tables that it reads, sorted. Absent where an older service started it. */
  readonly tables?: readonly string[];
  /** Values for the `:name` of the statements. Absent when there are none. */
  readonly parameters?: readonly SqlParameter[];
  /** The names of those that endpoints get. Absent: all of them. */
  readonly askedParameters?: readonly string[];
  /** Of a hunt: how long one endpoint may take. */
  readonly timeoutMs: number;
  /** What one endpoint may spend, where the caller said it. */
  readonly budget?: QueryBudget;
  /** A scan: these checks run, and `sql` only says so. */
  readonly pack?: PackReference;
  /** The query that it asks again of endpoints that gave no answer. */
  readonly retryOf?: QueryId;
  /** Only a hunt has it; its `deadlineMs` is the end of the wait. */
  readonly hunt?: HuntTerms;
  /**
   * Of a hunt whose statement is no pack: how many endpoints had rows when that was last written, the first time at
   * once. Absent: none, or an older service wrote it.
   */
  readonly found?: { readonly endpoints: number; readonly atMs: number };
  readonly owner: CoordinatorId;
  readonly state: QueryState;
  readonly createdAtMs: number;
  readonly deadlineMs: number;
  readonly endedAtMs?: number;
  readonly ledger: Ledger;
  /** Enrolled endpoints in scope that were not connected when the query started. */
  readonly offline: number;
  /** Rows (raw) or groups (group) in the result stream so far. */
  readonly rows: number;
  /** Endpoints whose answers lack something, by their own word. Absent when there are none. */
  readonly warned?: number;
  /** Those of them that did not finish the search: their rows are a part. Absent when there are none. */
  readonly unfinished?: number;
  /** Why the rows are incomplete; absent when they are not. */
  readonly truncated?: string;
  /** W3C Trace Context of the query's run, where it is recorded: who ends a query for its coordinator goes on with its trace. */
  readonly traceparent?: string;
}

/**
 * Which endpoints an event counts for the first time, as number sets. Those that have rows (raw) or a failure are in these events
 * themselves, so that all events up to a sequence say of every endpoint how it stands.
 */
export interface LedgerChanges {
  readonly targeted?: Uint8Array;
  readonly empty?: Uint8Array;
  /** Group form: their rows are in the groups up to here. */
  readonly answered?: Uint8Array;
}

/**
 * The ledger of exactly what is in the result stream up to this event: an endpoint whose rows or failure are not written yet still
 * waits. Absent where an older coordinator wrote it.
 */
interface Stamp {
  readonly ledger?: Ledger;
  readonly changes?: LedgerChanges;
}

/** One event of a query's result stream; the stream's sequence number is its id. */
export type ResultEvent =
  | { readonly t: 'started'; readonly record: QueryRecord }
  | {
      readonly t: 'progress';
      readonly ledger: Ledger;
      readonly changes?: LedgerChanges;
      readonly elapsedMs: number;
      readonly gateways: number;
      /** The waiting endpoints that poll, and when the last of them is due. Absent when there are none. */
      readonly polling?: { readonly waiting: number; readonly answerByMs: number };
      /** Some of the waiting endpoints. Absent when none says that it works. */
      readonly working?: Working;
    }
  /** Raw form: an answer block. `cut`: the rest of its last answer is in the next one. */
  | ({ readonly t: 'rows'; readonly answers: Uint8Array; readonly cut?: true } & Stamp)
  /**
   * Group form: a block of new or changed groups; a later one with the same index replaces the earlier one. With `more` it counts
   * together with the next block that has none: only there do all groups describe one moment.
   */
  | ({ readonly t: 'groups'; readonly groups: Uint8Array; readonly more?: true } & Stamp)
  /** Endpoints that did not answer, and why. A later entry for the same number replaces the earlier one. */
  | ({ readonly t: 'failures'; readonly failures: readonly Failure[] } & Stamp)
  /** Answers that lack something. The texts of the first few thousand only; `warned` of the last record counts all. */
  | { readonly t: 'warnings'; readonly warnings: readonly AnswerWarning[] }
  /** Endpoints that were listed as failures and are not any more: they were asked again, or have answered after all. */
  | ({ readonly t: 'recovered'; readonly numbers: readonly number[] } & Stamp)
  | {
      readonly t: 'reduced';
      readonly columns: readonly string[];
      readonly rows: readonly (readonly SqlValue[])[];
      readonly truncated: boolean;
      readonly error?: string;
    }
  /** Always the last one. */
  | { readonly t: 'ended'; readonly record: QueryRecord };

export function encodeQueryRecord(value: QueryRecord | ResultEvent): Uint8Array {
  return encodeCborUnsorted(value);
}

/** Reads what {@link encodeQueryRecord} wrote. Throws on bytes that are no CBOR map: inside one deployment that is a bug. */
export function decodeQueryRecord<T extends QueryRecord | ResultEvent>(bytes: Uint8Array): T {
  const value = decodeCbor(bytes);
  if (typeof value !== 'object' || value === null) throw new TypeError('not a query record');
  return value as T;
}
