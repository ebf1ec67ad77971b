import {
  type ErrorCode,
  type OrgId,
  type QueryId,
  type SqlValue,
  decodeCbor,
  encodeCborUnsorted,
} from '@muster/protocol';
import type { ResultForm, QueryRecord } from '@muster/records';

/** Requests of the API to query services, and their replies. */

export interface StartQuery {
  readonly t: 'start';
  readonly org: OrgId;
  readonly operator: string;
  readonly operatorName: string;
  readonly sql: string;
  readonly selector: string;
  /** The operator's own bound, joined to `selector`. */
  readonly bound: string;
  readonly mode: ResultForm;
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

export type QueryWire = QueryRequest | QueryReply;

export function encodeQueryWire(value: QueryWire): Uint8Array {
  return encodeCborUnsorted(value);
}

/** Reads what {@link encodeQueryWire} wrote. Throws on bytes that are no CBOR map: inside one deployment that is a bug. */
export function decodeQueryWire<T extends QueryWire>(bytes: Uint8Array): T {
  const value = decodeCbor(bytes);
  if (typeof value !== 'object' || value === null) throw new TypeError('not a query message');
  return value as T;
}
