import type { Permission } from '@muster/identity/roles';
import { ERROR_CODES } from '@muster/protocol/vocabulary';
import type { z } from 'zod';
import { COMMON_PROBLEMS, problemSchema, type ProblemCode } from './problem.js';

/** `public` needs no credentials, `any` any valid ones. */
export type Access = Permission | 'public' | 'any';

/** What an answer may hold. */
export interface AnswerDescription {
  readonly description: string;
  /** Media type → the schema of its body; `undefined` for text that JSON Schema cannot describe. */
  readonly content?: Readonly<Record<string, z.ZodType | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One method of one path: what it takes and what it answers. Server, OpenAPI document and client all derive from it. */
export interface OperationContract {
  readonly id: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** In OpenAPI's form: `/v1/queries/{id}`. */
  readonly path: string;
  readonly tag: string;
  /** The `action` of its audit record: `query.start`. */
  readonly action: string;
  /** Whether each call is kept in the audit record. Calls of other operations are kept only when the caller was refused. */
  readonly audited?: true;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  /** It shows what is not counted by org: besides `access`, the caller must be an admin of the platform's org without a selector. */
  readonly platform?: true;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: z.ZodType;
  /**
   * Whether `Idempotency-Key` is honoured. `passed_on`: the service behind the API honours it too. `query_id`: the query service starts one
   * query per id, and a repeat has the id of the first attempt. A repeat of these need not wait for an API process that may have died.
   */
  readonly idempotent?: boolean | 'passed_on' | 'query_id';
  /** It only ends something. It goes on where there is no room for anything new. */
  readonly ends?: true;
  /** Answers to calls that succeed, by status. */
  readonly answers: Readonly<Record<number, AnswerDescription>>;
  /** Problem codes besides those of {@link COMMON_PROBLEMS}. Absent: the operation never fails. */
  readonly problems?: readonly ProblemCode[];
}

/** An answer with a JSON body. */
export function jsonAnswer<S extends z.ZodType>(description: string, schema: S) {
  return { description, content: { 'application/json': schema } } as const;
}

/** The header and the answers of an event stream. `over`: what status 204 means. */
export function eventStream<S extends z.ZodType>(event: S, over: string) {
  return {
    headers: { 'Last-Event-ID': 'The id of the last event that was seen.' },
    answers: {
      200: {
        description: 'Events. In `text/event-stream`, `data` is the same object as a line of `application/x-ndjson`.',
        content: { 'text/event-stream': undefined, 'application/x-ndjson': event },
      },
      204: { description: over },
    },
  } as const;
}

type Contracts = Readonly<Record<string, Omit<OperationContract, 'id' | 'tag'>>>;

/** Names operations by their keys. Keeps their exact types, from which those of parameters and answers are inferred. */
export function defineOperations<const C extends Contracts>(tag: string, contracts: C) {
  const named = Object.entries(contracts).map(([id, contract]) => [id, { id, tag, ...contract }]);
  return Object.fromEntries(named) as { readonly [K in keyof C]: C[K] & { readonly id: K; readonly tag: string } };
}

/** All answers of an operation by status, problems included. */
export function responsesOf({ answers, problems }: OperationContract): Record<number, AnswerDescription> {
  if (problems === undefined) return answers;
  const codesByStatus = new Map<number, Set<ProblemCode>>();
  for (const code of [...COMMON_PROBLEMS, ...problems]) {
    const { status } = ERROR_CODES[code];
    codesByStatus.set(status, (codesByStatus.get(status) ?? new Set()).add(code));
  }
  const failures = [...codesByStatus].map(([status, codes]): [number, AnswerDescription] => [
    status,
    { description: [...codes].join(', '), content: { 'application/problem+json': problemSchema } },
  ]);
  return { ...Object.fromEntries(failures), ...answers };
}

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** The JSON that a schema describes, as its reader gets it. */
export type Json<S extends z.ZodType> = DeepReadonly<z.output<S>>;

/** A parameter whose text form is free may also be given as a number. */
type Textual<T> = { [K in keyof T]: string extends T[K] ? T[K] | number : T[K] };

type BodyOfAnswer<A, M extends string> = A extends {
  readonly content: { readonly [K in M]: infer S extends z.ZodType };
}
  ? Json<S>
  : undefined;

/** Path parameters as a caller gives them; `undefined` when there are none. */
export type ParamsOf<O extends OperationContract> = O extends { readonly params: infer S extends z.ZodObject }
  ? Readonly<z.input<S>>
  : undefined;

/** Query parameters as a caller gives them; `undefined` when there are none. */
export type QueryOf<O extends OperationContract> = O extends { readonly query: infer S extends z.ZodObject }
  ? Readonly<Textual<z.input<S>>>
  : undefined;

/** The body as a caller gives it; `undefined` when there is none. */
export type BodyOf<O extends OperationContract> = O extends { readonly body: infer S extends z.ZodType }
  ? DeepReadonly<z.input<S>>
  : undefined;

/** The JSON body of a successful answer. `undefined` is part of it when the answer may have no JSON body (status 204, streams). */
export type AnswerOf<O extends OperationContract> = {
  [S in keyof O['answers']]: BodyOfAnswer<O['answers'][S], 'application/json'>;
}[keyof O['answers']];

/** One line of an `application/x-ndjson` answer; for event streams also one event's `data`. */
export type LineOf<O extends OperationContract> = Exclude<
  { [S in keyof O['answers']]: BodyOfAnswer<O['answers'][S], 'application/x-ndjson'> }[keyof O['answers']],
  undefined
>;
