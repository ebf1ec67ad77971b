import { randomUUID } from 'node:crypto';
import type { Bus } from '@muster/bus';
import {
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type QueryReply,
  type QueryRequest,
  type RequestTerms,
  type StartQuery,
  type Traced,
} from '@muster/messages';
import { AppError, newQueryId, type CoordinatorId, type QueryId, type SqlParameter } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { expectReply, replyOf, type RequestNature, type ServiceAsker, type ServiceName } from '@muster/service-base';

type Reply<T extends QueryReply['t']> = Extract<QueryReply, { t: T }>;

const START_TIMEOUT_MS = 10_000;
const CANCEL_TIMEOUT_MS = 5_000;
const REDUCE_TIMEOUT_MS = 60_000;
const READ = { nature: 'read' } as const;

export interface ReduceOptions {
  readonly operator: string;
  readonly parameters: readonly SqlParameter[];
  /** Queries that the query asks again: their rows too. */
  readonly earlier?: readonly QueryId[];
  readonly signal: AbortSignal;
  readonly trace: Traced;
}

export interface QueryClientOptions {
  readonly bus: Pick<Bus, 'publish'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly asker: Pick<ServiceAsker, 'ask' | 'askInstance'>;
}

/** Requests to query services. Every method throws an `AppError` for a refusal and when there is no answer. */
export class QueryClient {
  readonly #options: QueryClientOptions;

  constructor(options: QueryClientOptions) {
    this.#options = options;
  }

  /** Any query service takes the request and becomes the coordinator; the first of two, if it reaches two. */
  async start(request: StartQuery & Traced): Promise<QueryRecord> {
    const once = { ...request, id: request.id ?? newQueryId(this.#options.clock.now()) };
    const reply = await this.#askAny(once, START_TIMEOUT_MS);
    return expectOf(reply, 'started').record;
  }

  /** Checks the query without running it. */
  async compile(request: StartQuery & Traced): Promise<Reply<'compiled'>> {
    return expectOf(await this.#askAny({ ...request, t: 'compile' }, START_TIMEOUT_MS, READ), 'compiled');
  }

  /** Asks the coordinator. When it is gone, stands still or does not have the query, asks another, which ends the query as interrupted. */
  async cancel(record: QueryRecord, by: string, trace: Traced = {}): Promise<void> {
    const request: QueryRequest & Traced = { t: 'cancel', org: record.org, id: record.id, by, ...trace };
    const result = await this.#askCoordinator(record.owner, request, CANCEL_TIMEOUT_MS);
    const isSilent = result.kind === 'no_responders' || result.kind === 'silent';
    const reply = isSilent ? undefined : replyOf(result, decode, SERVICE);
    const isGone = reply === undefined || (reply.t === 'problem' && reply.code === 'not_found');
    expectOf(isGone ? await this.#askAny(request, CANCEL_TIMEOUT_MS, { except: record.owner }) : reply, 'cancelled');
  }

  /** Any service runs the statement, over what the result stream holds now; an aborted signal ends it there. */
  async reduce(
    record: QueryRecord,
    sql: string,
    { operator, parameters, earlier = [], signal, trace }: ReduceOptions,
  ): Promise<Reply<'reduced'>> {
    const { bus } = this.#options;
    const job = randomUUID();
    const stop = (): void => void bus.publish(SUBJECTS.reduceStops, encodeBusMessage({ t: 'reduce_stop', job }));
    const request: QueryRequest & Traced = {
      t: 'reduce',
      org: record.org,
      id: record.id,
      sql,
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(earlier.length === 0 ? {} : { earlier }),
      operator,
      job,
      ...trace,
    };
    const asked = this.#askAny(request, REDUCE_TIMEOUT_MS, READ);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      const reduced = expectOf(await asked, 'reduced');
      if ((reduced.queries ?? 1) !== earlier.length + 1)
        throw new AppError('no_query_service', 'a query service of an older version does not merge; upgrade it first');
      return reduced;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #askCoordinator(owner: CoordinatorId, request: QueryRequest, timeoutMs: number) {
    const encode = (terms: RequestTerms): Uint8Array => encodeBusMessage({ ...request, ...terms });
    return this.#options.asker.askInstance(owner, SUBJECTS.coordinator(owner), encode, { timeoutMs });
  }

  async #askAny(
    request: QueryRequest,
    timeoutMs: number,
    { except, nature }: { readonly except?: CoordinatorId; readonly nature?: RequestNature } = {},
  ): Promise<QueryReply> {
    const encode = (terms: RequestTerms): Uint8Array => encodeBusMessage({ ...request, ...terms });
    const excepted = except === undefined ? {} : { except: [except] };
    return replyOf(await this.#options.asker.ask(encode, { timeoutMs, ...excepted }), decode, SERVICE, nature);
  }
}

const SERVICE: ServiceName = { name: 'query service', absent: 'no_query_service' };
const decode = (data: Uint8Array): QueryReply => decodeServiceMessage<QueryReply>(data);

function expectOf<const T extends QueryReply['t']>(reply: QueryReply, kind: T): Reply<T> {
  return expectReply<QueryReply, T>(reply, kind, SERVICE);
}
