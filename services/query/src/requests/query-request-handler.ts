import type { Bus, BusMessage, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayRequest,
  type QueryReply,
  type QueryRequest,
  type ReduceStop,
} from '@muster/messages';
import { AppError, type CoordinatorId } from '@muster/protocol';
import type { Logger, Metrics } from '@muster/runtime';
import { problemReply } from '@muster/service-base';
import type { QueryOperations } from './query-operations.js';
import type { QueryStarter } from './query-starter.js';

export interface QueryRequestHandlerOptions {
  readonly bus: Bus;
  readonly coordinatorId: CoordinatorId;
  readonly logger: Logger;
  readonly metrics: RequestMetrics;
  readonly starter: Pick<QueryStarter, 'start' | 'compile'>;
  readonly operations: Pick<QueryOperations, 'cancel' | 'reduce' | 'stopReduction' | 'adopt' | 'handleAsCoordinator'>;
}

const KINDS: ReadonlySet<string> = new Set<QueryRequest['t']>(['start', 'compile', 'cancel', 'reduce', 'adopt']);

/**
 * Answers the API's requests. They arrive through the queue group at any query service. Requests that only the coordinator of a query
 * can answer are forwarded to it, and arrive there on a subject of its own, as pings do.
 */
export class QueryRequestHandler {
  readonly #options: QueryRequestHandlerOptions;
  #shared: BusSubscription | undefined;
  #own: BusSubscription | undefined;
  #stops: BusSubscription | undefined;

  constructor(options: QueryRequestHandlerOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, coordinatorId } = this.#options;
    const answer = (message: BusMessage): void => void this.#answer(message, (request) => this.#handle(request));
    this.#own = bus.subscribe(SUBJECTS.coordinator(coordinatorId), (message) => this.#answerAsCoordinator(message));
    this.#shared = bus.subscribe(SUBJECTS.queries, answer, { queue: 'query' });
    this.#stops = bus.subscribe(SUBJECTS.reduceStops, ({ data }) => {
      const stop = decodeBusMessage<ReduceStop>(data, 'reduce_stop');
      if (stop !== undefined) this.#options.operations.stopReduction(stop.job);
    });
  }

  /** Takes no more requests from the queue group; requests about queries that run here are still answered. */
  drain(): void {
    this.#shared?.unsubscribe();
  }

  stop(): void {
    this.drain();
    this.#own?.unsubscribe();
    this.#stops?.unsubscribe();
  }

  #answerAsCoordinator(message: BusMessage): void {
    if (decodeBusMessage<GatewayRequest>(message.data, 'ping') !== undefined) {
      message.reply?.(encodeBusMessage({ t: 'ok' }));
      return;
    }
    void this.#answer(message, (request) => Promise.resolve(this.#options.operations.handleAsCoordinator(request)));
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

  #handle(request: QueryRequest): Promise<QueryReply> {
    const { starter, operations } = this.#options;
    switch (request.t) {
      case 'start':
        return starter.start(request);
      case 'compile':
        return starter.compile(request);
      case 'cancel':
        return operations.cancel(request);
      case 'reduce':
        return operations.reduce(request);
      case 'adopt':
        return operations.adopt(request);
      default:
        throw new AppError('bad_request', 'the query service does not know this request');
    }
  }
}

export type RequestMetrics = ReturnType<typeof requestMetrics>;

export function requestMetrics(metrics: Metrics) {
  return {
    requests: metrics.counter({
      name: 'muster_query_requests_total',
      help: 'Requests to the query service, by kind and result (ok or an error code).',
      labels: ['kind', 'result'],
    }),
  };
}
