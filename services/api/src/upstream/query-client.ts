import { randomUUID } from 'node:crypto';
import type { Bus, RequestResult } from '@muster/bus';
import {
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type QueryReply,
  type QueryRequest,
  type StartQuery,
} from '@muster/messages';
import type { QueryRecord } from '@muster/records';
import { expectReply, readable, replyOf, type ServiceName } from './service-reply.js';

type Reply<T extends QueryReply['t']> = Extract<QueryReply, { t: T }>;

/**
 * Whether a query service coordinates a running query. `running`: its coordinator does. `adopted`: another service has taken over.
 * `no_service`: no service listens. `no_answer`: one listens but does not answer, as a frozen process.
 * `unknown`: the broker is unreachable.
 */
export type CoordinatorStatus = 'running' | 'adopted' | 'no_service' | 'no_answer' | 'unknown';

const START_TIMEOUT_MS = 10_000;
const CANCEL_TIMEOUT_MS = 5_000;
const REDUCE_TIMEOUT_MS = 60_000;
const COORDINATOR_TIMEOUT_MS = 2_000;
const ADOPT_TIMEOUT_MS = 5_000;

/** Requests to query services. Every method throws an `AppError` for a refusal and when there is no answer. */
export class QueryClient {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** Any query service takes the request and becomes the coordinator. */
  async start(request: StartQuery): Promise<QueryRecord> {
    const reply = await this.#ask(SUBJECTS.queries, request, START_TIMEOUT_MS);
    return expectOf(reply, 'started').record;
  }

  /** Asks the coordinator. When it is gone or does not have the query, asks any service, which ends the query as interrupted. */
  async cancel(record: QueryRecord, by: string): Promise<void> {
    const request: QueryRequest = { t: 'cancel', org: record.org, id: record.id, by };
    const result = await this.#request(SUBJECTS.coordinator(record.owner), request, CANCEL_TIMEOUT_MS);
    const reply = result.kind === 'no_responders' ? undefined : replyOf(result, decode, SERVICE);
    const isGone = reply === undefined || (reply.t === 'problem' && reply.code === 'not_found');
    expectOf(isGone ? await this.#ask(SUBJECTS.queries, request, CANCEL_TIMEOUT_MS) : reply, 'cancelled');
  }

  /** Any service runs the statement, over what the result stream holds now; an aborted signal ends it there. */
  async reduce(
    record: QueryRecord,
    sql: string,
    { operator, signal }: { readonly operator: string; readonly signal: AbortSignal },
  ): Promise<Reply<'reduced'>> {
    const job = randomUUID();
    const stop = (): void => void this.#bus.publish(SUBJECTS.reduceStops, encodeBusMessage({ t: 'reduce_stop', job }));
    const request: QueryRequest = { t: 'reduce', org: record.org, id: record.id, sql, operator, job };
    const asked = this.#ask(SUBJECTS.queries, request, REDUCE_TIMEOUT_MS);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      return expectOf(await asked, 'reduced');
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /**
   * Finds out whether an inactive query still has a coordinator, and if not, asks the other query services to end it. Never throws.
   */
  async coordinatorStatus(record: QueryRecord): Promise<CoordinatorStatus> {
    const request: QueryRequest = { t: 'adopt', org: record.org, id: record.id };
    const fromCoordinator = await this.#request(SUBJECTS.coordinator(record.owner), request, COORDINATOR_TIMEOUT_MS);
    if (fromCoordinator.kind === 'disconnected') return 'unknown';
    if (fromCoordinator.kind === 'reply') {
      // A coordinator refuses to give up a query that it has.
      const reply = readable(fromCoordinator.data, decode);
      if (reply?.t !== 'problem' || reply.code !== 'not_found') return 'running';
    }
    const fromAny = await this.#request(SUBJECTS.queries, request, ADOPT_TIMEOUT_MS);
    switch (fromAny.kind) {
      case 'reply':
        // A refusal counts too: that service has a reason. The next check asks again.
        return 'adopted';
      case 'no_responders':
        return 'no_service';
      case 'timeout':
        return 'no_answer';
      case 'disconnected':
        return 'unknown';
    }
  }

  #request(subject: string, request: QueryRequest, timeoutMs: number): Promise<RequestResult> {
    return this.#bus.request(subject, encodeBusMessage(request), { timeoutMs });
  }

  async #ask(subject: string, request: QueryRequest, timeoutMs: number): Promise<QueryReply> {
    return replyOf(await this.#request(subject, request, timeoutMs), decode, SERVICE);
  }
}

const SERVICE: ServiceName = { name: 'query service', absent: 'no_query_service' };
const decode = (data: Uint8Array): QueryReply => decodeServiceMessage<QueryReply>(data);

function expectOf<const T extends QueryReply['t']>(reply: QueryReply, kind: T): Reply<T> {
  return expectReply<QueryReply, T>(reply, kind, SERVICE);
}
