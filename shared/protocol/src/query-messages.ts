import type { OrgId, OwnerId, QueryId } from './ids.js';
import type { Failure, QueryMode } from './bus-messages.js';
import type { ErrorCode } from './errors.js';
import type { Ledger } from './outcomes.js';
import type { SqlValue } from './rows.js';
import { decodeCbor, encodeCborUnsorted } from './cbor.js';

/** What the API asks of a query service, and what is kept of queries. */

/** running → complete (all settled or deadline) | cancelled | interrupted (its owner died). */
export type QueryState = 'running' | 'complete' | 'cancelled' | 'interrupted';

/** The durable record of a query; the last one per query counts. */
export interface QueryRecord {
  readonly id: QueryId;
  readonly org: OrgId;
  /** The operator's token or subject id, and the name shown to people. */
  readonly operator: string;
  readonly operatorName: string;
  readonly sql: string;
  /** As asked, and as bounded by the operator's own selector. */
  readonly selector: string;
  readonly scope: string;
  readonly mode: QueryMode;
  readonly columns: readonly string[];
  readonly reduce?: string;
  readonly timeoutMs: number;
  readonly owner: OwnerId;
  readonly state: QueryState;
  readonly createdAtMs: number;
  readonly deadlineMs: number;
  readonly endedAtMs?: number;
  readonly ledger: Ledger;
  /** Enrolled endpoints in scope that were not connected when the query started. */
  readonly offline: number;
  /** Rows (raw) or groups (group) written to the result stream so far. */
  readonly rows: number;
  /** Set when a limit stopped the query from keeping everything. */
  readonly truncated?: string;
}

export interface StartQuery {
  readonly t: 'start';
  readonly org: OrgId;
  readonly operator: string;
  readonly operatorName: string;
  readonly sql: string;
  readonly selector: string;
  /** The operator's own bound, joined to `selector`. */
  readonly bound: string;
  readonly mode: QueryMode;
  readonly reduce?: string;
  readonly timeoutMs: number;
}

export type QueryRequest =
  | StartQuery
  /** Check without running. */
  | (Omit<StartQuery, 't'> & { readonly t: 'compile' })
  | { readonly t: 'cancel'; readonly org: OrgId; readonly id: QueryId; readonly by: string }
  | { readonly t: 'reduce'; readonly org: OrgId; readonly id: QueryId; readonly sql: string }
  /** The owner of this query does not answer: see to it that the query ends as interrupted. */
  | { readonly t: 'adopt'; readonly org: OrgId; readonly id: QueryId };

export type QueryReply =
  | { readonly t: 'started'; readonly record: QueryRecord }
  | { readonly t: 'compiled'; readonly columns: readonly string[]; readonly tables: readonly string[] }
  | { readonly t: 'cancelled' }
  | {
      readonly t: 'reduced';
      readonly columns: readonly string[];
      readonly rows: readonly (readonly SqlValue[])[];
      readonly truncated: boolean;
    }
  | { readonly t: 'adopted' }
  | {
      readonly t: 'problem';
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: Readonly<Record<string, unknown>>;
    };

/** One event of a query's result stream; the stream's sequence number is its id. */
export type ResultEvent =
  | { readonly t: 'started'; readonly record: QueryRecord }
  | {
      readonly t: 'progress';
      readonly ledger: Ledger;
      readonly elapsedMs: number;
      readonly gateways: number;
      /** Of those waited for: who polls, and by when the last of them has heard of the query. Absent when nobody does. */
      readonly polling?: { readonly waiting: number; readonly answerByMs: number };
    }
  /** Raw mode: an answer block. */
  | { readonly t: 'rows'; readonly answers: Uint8Array }
  /** Group mode: groups that are new or changed; a later one with the same index replaces the earlier. */
  | { readonly t: 'groups'; readonly groups: Uint8Array }
  /** Endpoints that did not answer, and why. A later one for the same number replaces the earlier. */
  | { readonly t: 'failures'; readonly failures: readonly Failure[] }
  /** Endpoints that were listed as failures but answered after all. */
  | { readonly t: 'recovered'; readonly numbers: readonly number[] }
  | {
      readonly t: 'reduced';
      readonly columns: readonly string[];
      readonly rows: readonly (readonly SqlValue[])[];
      readonly truncated: boolean;
      readonly error?: string;
    }
  /** Always the last one. */
  | { readonly t: 'ended'; readonly record: QueryRecord };

export type QueryWire = QueryRequest | QueryReply | QueryRecord | ResultEvent;

export function encodeQueryWire(value: QueryWire): Uint8Array {
  return encodeCborUnsorted(value);
}

/** Reads what {@link encodeQueryWire} wrote. Throws on bytes that are no CBOR map: inside one deployment that is a bug. */
export function decodeQueryWire<T extends QueryWire>(bytes: Uint8Array): T {
  const value = decodeCbor(bytes);
  if (typeof value !== 'object' || value === null) throw new TypeError('not a query message');
  return value as T;
}
