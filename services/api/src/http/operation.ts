import type { ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { AuditRecord } from '@muster/records';
import type { Permission } from '@muster/identity';
import type { Principal } from '../auth/principal.js';

/** `public` needs no credentials, `any` any valid ones. */
export type Access = Permission | 'public' | 'any';

/** What a response may hold, for the OpenAPI document and for the tests that check real answers against it. */
export interface ResponseDescription {
  readonly description: string;
  /** Media type → the schema of its body; `undefined` for text that JSON Schema cannot describe. */
  readonly content?: Readonly<Record<string, z.ZodType | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What only the handler knows of what is kept in the audit record. */
export type AuditNote = Pick<AuditRecord, 'subject' | 'scope' | 'details'>;

/** What a handler sees of a request; everything in it has been checked. */
export interface Call<P = Record<string, never>, Q = Record<string, never>, B = undefined> {
  readonly principal: Principal;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly requestId: string;
  /** The caller's address, as far as trusted proxies tell it. */
  readonly from: string;
  /** The first of the offered media types that the caller accepts. Throws `not_acceptable` when it accepts none of them. */
  readonly negotiate: (...offered: readonly string[]) => string;
  readonly header: (name: string) => string | undefined;
  /** Adds to what the audit record of this call will say. */
  readonly note: (note: AuditNote) => void;
  /** A service that was asked keeps the audit record of this call: nothing is to be kept here. */
  readonly auditedElsewhere: () => void;
  /**
   * A hash of who asks and of their idempotency key, for a service that itself does a thing once per key; absent without a key. The same from
   * any API process, so that a repeat after the death of the one that was asked first is known for what it is.
   */
  readonly requestKey: string | undefined;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
}

export interface JsonAnswer {
  readonly kind: 'json';
  readonly status: number;
  /** No body at all when absent. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Members of `body` that are never stored for a repeat under the same idempotency key. */
  readonly unrepeatable?: readonly string[];
}

export interface StreamAnswer {
  readonly kind: 'stream';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Writes the body and ends the response; a rejection cuts the connection, so that a reader never takes a part for the whole. */
  readonly write: (response: ServerResponse) => Promise<void>;
}

export type Answer = JsonAnswer | StreamAnswer;

type Infer<S> = S extends z.ZodType ? z.output<S> : S extends undefined ? Record<string, never> : never;
type InferBody<S> = S extends z.ZodType ? z.output<S> : undefined;

/** One method of one path: what it needs, what it answers, what it does. Routes and the OpenAPI document both come from it. */
export interface Operation {
  readonly id: string;
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** In OpenAPI's form: `/v1/queries/{id}`. */
  readonly path: string;
  readonly tag: string;
  /** The audit record's word for it: `query.start`. */
  readonly action: string;
  /** Kept in the audit record whenever it is done or refused. Other operations are kept only when they are refused for who asked. */
  readonly audited?: true;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: z.ZodType;
  /**
   * Whether `Idempotency-Key` is honoured. `passed_on`: by the service that is asked, too, so that a repeat need not wait for the end of a call
   * that may have died with its process.
   */
  readonly idempotent?: boolean | 'passed_on';
  readonly responses: Readonly<Record<number, ResponseDescription>>;
  readonly handle: (call: Call<never, never, never>) => Promise<Answer> | Answer;
}

/** Gives an operation's handler the types that its schemas describe. */
export function defineOperation<
  P extends z.ZodObject | undefined = undefined,
  Q extends z.ZodObject | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(
  operation: Omit<Operation, 'params' | 'query' | 'body' | 'handle'> & {
    readonly params?: P;
    readonly query?: Q;
    readonly body?: B;
    readonly handle: (call: Call<Infer<P>, Infer<Q>, InferBody<B>>) => Promise<Answer> | Answer;
  },
): Operation {
  // Sound: the router hands the handler exactly what these schemas gave.
  return operation as unknown as Operation;
}

export function json(
  status: number,
  body?: unknown,
  extra: Omit<JsonAnswer, 'kind' | 'status' | 'body'> = {},
): JsonAnswer {
  return { kind: 'json', status, ...(body === undefined ? {} : { body }), ...extra };
}
