import { type Bus, type BusMessage, type BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayRequest,
  type QueryReply,
  type QueryRequest,
} from '@muster/messages';
import { AppError, type CoordinatorId } from '@muster/protocol';
import type { Logger } from '@muster/runtime';
import { problemReply } from '@muster/service-base';
import type { IntakeMetrics } from './intake-metrics.js';
import type { OneQuery } from './one-query.js';
import type { StartQueries } from './start-queries.js';

export interface IntakeOptions {
  readonly bus: Bus;
  readonly ownerId: CoordinatorId;
  readonly logger: Logger;
  readonly metrics: IntakeMetrics;
  readonly starts: Pick<StartQueries, 'start' | 'compile'>;
  readonly oneQuery: Pick<OneQuery, 'cancel' | 'reduce' | 'adopt' | 'askedAsOwner'>;
}

const KINDS: ReadonlySet<string> = new Set<QueryRequest['t']>(['start', 'compile', 'cancel', 'reduce', 'adopt']);

/**
 * What the API asks, and the replies. Questions come through the queue group to any query service; those that only the owner of a query
 * can answer are passed on to it, and it hears them on a subject of its own, as it does pings.
 */
export class Intake {
  readonly #options: IntakeOptions;
  #anybody: BusSubscription | undefined;
  #owner: BusSubscription | undefined;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, ownerId } = this.#options;
    const answer = (message: BusMessage): void => void this.#answer(message, (request) => this.#handle(request));
    this.#owner = bus.subscribe(SUBJECTS.coordinator(ownerId), (message) => this.#takeAsOwner(message));
    this.#anybody = bus.subscribe(SUBJECTS.queries, answer, { queue: 'query' });
  }

  /** Takes no more new work; questions about queries that run here are still answered. */
  drain(): void {
    this.#anybody?.unsubscribe();
  }

  stop(): void {
    this.drain();
    this.#owner?.unsubscribe();
  }

  #handle(request: QueryRequest): Promise<QueryReply> {
    const { starts, oneQuery } = this.#options;
    switch (request.t) {
      case 'start':
        return starts.start(request);
      case 'compile':
        return starts.compile(request);
      case 'cancel':
        return oneQuery.cancel(request);
      case 'reduce':
        return oneQuery.reduce(request);
      case 'adopt':
        return oneQuery.adopt(request);
      default:
        throw new AppError('bad_request', 'the query service does not know this request');
    }
  }

  #takeAsOwner(message: BusMessage): void {
    if (decodeBusMessage<GatewayRequest>(message.data, 'ping') !== undefined) {
      message.reply?.(encodeBusMessage({ t: 'ok' }));
      return;
    }
    void this.#answer(message, (request) => Promise.resolve(this.#options.oneQuery.askedAsOwner(request)));
  }

  async #answer(message: BusMessage, handle: (request: QueryRequest) => Promise<QueryReply>): Promise<void> {
    const { metrics, logger } = this.#options;
    let kind = 'unknown';
    let reply: QueryReply;
    try {
      const request = decodeServiceMessage<QueryRequest>(message.data);
      if (KINDS.has(request.t)) kind = request.t;
      reply = await handle(request);
    } catch (error) {
      reply = problemReply(error, { service: 'query', kind, logger });
    }
    metrics.requests.inc({ kind, result: reply.t === 'problem' ? reply.code : 'ok' });
    message.reply?.(encodeBusMessage(reply));
  }
}
