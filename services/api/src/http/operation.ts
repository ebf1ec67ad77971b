import type { ServerResponse } from 'node:http';
import type { AnswerOf, OperationContract } from '@muster/api-contract';
import type { Traced } from '@muster/messages';
import type { QueryId } from '@muster/protocol';
import type { AuditRecord } from '@muster/records';
import type { z } from 'zod';
import type { ClientConnection } from './client-connection.js';
import type { Principal } from './principal.js';

/** The fields of the audit record that only the handler knows. */
export type AuditNote = Pick<AuditRecord, 'subject' | 'scope' | 'details'>;

/** What a handler sees of a request. The schemas of the contract have checked everything in it. */
export interface Call<P = Record<string, never>, Q = Record<string, never>, B = undefined> {
  readonly principal: Principal;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly requestId: string;
  /** Goes into the requests to services that this call makes, so that they become part of its trace. */
  readonly trace: Traced;
  /** The caller's address; `X-Forwarded-For` counts only behind trusted proxies. */
  readonly from: string;
  /** How the caller's browser reaches this server. */
  readonly client: ClientConnection;
  /** The first of the offered media types that the caller accepts. Throws `not_acceptable` when it accepts none of them. */
  readonly negotiate: (...offered: readonly string[]) => string;
  readonly header: (name: string) => string | undefined;
  /** Adds to the audit record of this call. */
  readonly note: (note: AuditNote) => void;
  /**
   * Stores the audit record of this call now, before what cannot be undone. @throws AppError `broker_unavailable`: then
   * nothing may be done.
   */
  readonly noteFirst: () => Promise<void>;
  /** Says who the caller of a public operation has proven to be, for the audit record. */
  readonly identified: (principal: Principal) => void;
  /** The answer of a public operation, whatever its status, is a refusal of who signs in: it is audited and limited as one. */
  readonly refused: (reason: string) => void;
  /** Another service keeps the audit record of this call, so the API keeps none. */
  readonly auditedElsewhere: () => void;
  /**
   * A hash of principal and idempotency key, for a service that does a thing once per key; absent without a key. Every API process makes
   * the same hash, so that a repeat is recognised after the process that was asked first has died.
   */
  readonly requestKey: string | undefined;
  /** The id for a query that this call starts, kept under the idempotency key; absent without a key. */
  readonly queryId: QueryId | undefined;
  /** Aborted when the caller has disconnected. */
  readonly signal: AbortSignal;
}

export interface JsonAnswer<Body = unknown> {
  readonly kind: 'json';
  readonly status: number;
  /** No body at all when absent. */
  readonly body?: Body;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookies?: readonly string[];
  /** Members of `body` that are never stored for a repeat under the same idempotency key. */
  readonly unrepeatable?: readonly string[];
}

export interface StreamAnswer {
  readonly kind: 'stream';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Writes the body and ends the response. A rejection cuts the connection, so that no reader takes a part for the whole. */
  readonly write: (response: ServerResponse) => Promise<void>;
}

/** A download: what there is now, line by line or in pieces. */
export interface LinesAnswer {
  readonly kind: 'lines';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A rejection cuts the connection, so that no reader takes a part for the whole. */
  readonly lines: AsyncIterable<string | Uint8Array>;
}

export type Answer<Body = unknown> = JsonAnswer<Body> | StreamAnswer | LinesAnswer;

type Parsed<O, K extends 'params' | 'query' | 'body', None> = O extends { readonly [P in K]: infer S extends z.ZodType }
  ? z.output<S>
  : None;

type CallOf<O extends OperationContract> = Call<
  Parsed<O, 'params', Record<string, never>>,
  Parsed<O, 'query', Record<string, never>>,
  Parsed<O, 'body', undefined>
>;

/** An operation of the contract with its handler. */
export interface Operation extends OperationContract {
  readonly handle: (call: Call<never, never, never>) => Promise<Answer> | Answer;
}

/** Gives an operation of the contract its handler, which gets the parsed parameters and body. */
export function implement<O extends OperationContract>(
  contract: O,
  handle: (call: CallOf<O>) => Promise<Answer<AnswerOf<O>>> | Answer<AnswerOf<O>>,
): Operation {
  // Sound: the pipeline hands the handler exactly what the contract's schemas gave.
  return { ...contract, handle: handle as unknown as Operation['handle'] };
}

/** A download of JSON values, one on each line. */
export function ndjson(values: AsyncIterable<unknown>): LinesAnswer {
  return {
    ...{ kind: 'lines', status: 200, headers: { 'content-type': 'application/x-ndjson; charset=utf-8' } },
    lines: jsonLines(values),
  };
}

export async function* jsonLines(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const value of values) yield `${JSON.stringify(value)}\n`;
}

/** An answer with a JSON body, or with none at all. */
export function json<Body>(
  status: number,
  body?: Body,
  extra: Omit<JsonAnswer, 'kind' | 'status' | 'body'> = {},
): JsonAnswer<Body> {
  return { kind: 'json', status, ...(body === undefined ? {} : { body }), ...extra };
}
