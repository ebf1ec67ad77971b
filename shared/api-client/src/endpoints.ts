import type { AnswerOf, BodyOf, LineOf, OperationContract, ParamsOf, QueryOf, operations } from '@muster/api-contract';

type Operation = (typeof operations)[keyof typeof operations];

/**
 * The operations of the API by method and path: `POST /v1/queries`. Only their types are used, so that bundles for browsers do not
 * contain the schemas.
 */
export type Operations = { readonly [O in Operation as `${Uppercase<O['method']>} ${O['path']}`]: O };

/** `GET /v1/queries/{id}` */
export type Endpoint = keyof Operations;

/** What is given for one call of an operation: parameters of the path, of the query string, and the body. */
export type InputOf<O extends OperationContract> = Part<'params', ParamsOf<O>> &
  Part<'query', QueryOf<O>> &
  Part<'body', BodyOf<O>>;

type Part<Name extends string, T> = [T] extends [undefined]
  ? unknown
  : [undefined] extends [T]
    ? { readonly [N in Name]?: T }
    : object extends T
      ? { readonly [N in Name]?: T }
      : { readonly [N in Name]: T };

export type Answer<E extends Endpoint> = AnswerOf<Operations[E]>;

/** One line, or the data of one event, of an endpoint that streams. */
export type Line<E extends Endpoint> = LineOf<Operations[E]>;

/** Endpoints that answer a list page by page. */
export type PagedEndpoint = {
  [E in Endpoint]: Answer<E> extends { readonly items: readonly unknown[]; readonly nextCursor?: string | undefined }
    ? QueryOf<Operations[E]> extends { readonly cursor?: string | number | undefined }
      ? E
      : never
    : never;
}[Endpoint];

export type Item<E extends PagedEndpoint> = Answer<E> extends { readonly items: readonly (infer T)[] } ? T : never;

/** Endpoints that stream NDJSON. */
export type StreamEndpoint = { [E in Endpoint]: [Line<E>] extends [never] ? never : E }[Endpoint];

/** Endpoints that stream numbered events until `ended`. */
export type EventEndpoint = {
  [E in StreamEndpoint]: Line<E> extends { readonly event: string } ? E : never;
}[StreamEndpoint];

/** One event of such a stream. */
export type EventOf<E extends EventEndpoint> = Extract<Line<E>, { readonly event: string }>;

/** What is known of a call when it runs. */
export interface UntypedInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
}

/** Method and path of a call, its parameters filled in: `GET /v1/agents/a1?limit=5`. */
export function requestLine(
  endpoint: string,
  { params = {}, query = {} }: UntypedInput,
): { method: string; path: string } {
  const [method = '', template = ''] = endpoint.split(' ');
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return { method, path: search.size === 0 ? path : `${path}?${search.toString()}` };
}
