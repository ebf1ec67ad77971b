import type { JsonSqlValue, Ledger, Outcome } from '@muster/protocol';
import type { ResultForm, QueryState } from '@muster/records';

/** The API's JSON, as far as the CLI reads it; `/v1/openapi.json` describes all of it. */

export interface EndpointName {
  readonly num: number;
  /** Null for a moment after it enrolled, like the host. */
  readonly agentId: string | null;
  readonly host: string | null;
}

/** Who of those waited for polls, and when the last of them has heard of the query. */
export interface PollingJson {
  readonly waiting: number;
  readonly answerBy: string;
}

export interface QueryJson {
  readonly id: string;
  readonly state: QueryState;
  readonly sql: string;
  readonly mode: ResultForm;
  readonly scope: string;
  readonly columns: readonly string[];
  readonly reduce?: string;
  readonly createdAt: string;
  readonly deadlineAt: string;
  readonly endedAt?: string;
  readonly ledger: Ledger;
  readonly polling?: PollingJson;
  readonly offline: number;
  readonly rows: number;
  readonly truncated?: string;
}

export type Values = readonly JsonSqlValue[];

export interface AnswerJson extends EndpointName {
  readonly rows: readonly Values[];
}

export interface GroupJson {
  readonly index: number;
  readonly endpoints: number;
  readonly copies: number;
  readonly sample: readonly EndpointName[];
  readonly values: Values;
}

export interface FailureJson extends EndpointName {
  readonly outcome: Outcome;
  readonly code: string;
  readonly message: string;
}

export interface ReducedJson {
  readonly columns: readonly string[];
  readonly rows: readonly Values[];
  readonly truncated: boolean;
  readonly error?: string;
}

export type QueryEvent =
  | { readonly event: 'started'; readonly seq: number | null; readonly query: QueryJson }
  | {
      readonly event: 'progress';
      readonly seq: number | null;
      readonly ledger: Ledger;
      readonly polling?: PollingJson;
      readonly elapsedMs: number;
    }
  | { readonly event: 'rows'; readonly seq: number | null; readonly answers: readonly AnswerJson[] }
  | { readonly event: 'groups'; readonly seq: number | null; readonly groups: readonly GroupJson[] }
  | { readonly event: 'failures'; readonly seq: number | null; readonly failures: readonly FailureJson[] }
  | { readonly event: 'recovered'; readonly seq: number | null; readonly endpoints: readonly EndpointName[] }
  | ({ readonly event: 'reduced'; readonly seq: number | null } & ReducedJson)
  | { readonly event: 'ended'; readonly seq: number | null; readonly query: QueryJson }
  | { readonly event: 'heartbeat' };
