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
  type RequestTerms,
  type Traced,
  isExpired,
  messagingAttributes,
  traced,
} from '@muster/messages';
import { AppError, type CoordinatorId } from '@muster/protocol';
import { NO_SPAN, type Clock, type Logger, type Metrics, type Tracer } from '@muster/runtime';
import { problemReply, sendReply } from '@muster/service-base';
import type { QueryOperations } from './query-operations.js';
import type { QueryStarter } from './query-starter.js';

export interface QueryRequestHandlerOptions {
  readonly bus: Bus;
  readonly coordinatorId: CoordinatorId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RequestMetrics;
  readonly tracer: Tracer;
  readonly starter: Pick<QueryStarter, 'start' | 'compile'>;
  readonly operations: Pick<QueryOperations, 'cancel' | 'reduce' | 'stopReduction' | 'adopt' | 'handleAsCoordinator'>;
}

const KINDS: ReadonlySet<string> = new Set<QueryRequest['t']>(['start', 'compile', 'cancel', 'reduce', 'adopt']);
const REQUEST_SPAN = { kind: 'server', attributes: messagingAttributes(SUBJECTS.queries) } as const;

/**
 * Answers the API's requests. They arrive on the subject of this service, which the API chose by its heartbeats, or through the queue
 * group at any. Requests that only the coordinator of a query can answer are forwarded to it, and arrive there on another subject of its
 * own, as pings do.
 */
export class QueryRequestHandler {
  readonly #options: QueryRequestHandlerOptions;
  #shared: BusSubscription | undefined;
  #own: BusSubscription | undefined;
  #asCoordinator: BusSubscription | undefined;
  #stops: BusSubscription | undefined;

  constructor(options: QueryRequestHandlerOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, coordinatorId } = this.#options;
    const answer = (message: BusMessage): void => void this.#answer(message, (request) => this.#handle(request));
    this.#asCoordinator = bus.subscribe(SUBJECTS.coordinator(coordinatorId), (message) =>
      this.#answerAsCoordinator(message),
    );
    this.#own = bus.subscribe(SUBJECTS.queryService(coordinatorId), answer);
    this.#shared = bus.subscribe(SUBJECTS.queries, answer, { queue: 'query' });
    this.#stops = bus.subscribe(SUBJECTS.reduceStops, ({ data }) => {
      const stop = decodeBusMessage<ReduceStop>(data, 'reduce_stop');
      if (stop !== undefined) this.#options.operations.stopReduction(stop.job);
    });
  }

  /** Takes no more requests from the queue group; who asks this service itself is still answered, with `draining` to a new query. */
  drain(): void {
    this.#shared?.unsubscribe();
  }

  stop(): void {
    this.drain();
    this.#own?.unsubscribe();
    this.#asCoordinator?.unsubscribe();
    this.#stops?.unsubscribe();
  }

  #answerAsCoordinator(message: BusMessage): void {
    if (decodeBusMessage<GatewayRequest>(message.data, 'ping') !== undefined) {
      message.reply?.(encodeBusMessage({ t: 'ok' }));
      return;
    }
    void this.#answer(message, (request) => Promise.resolve(this.#options.operations.handleAsCoordinator(request)));
  }

  async #answer(message: BusMessage, handle: (request: QueryRequest & Traced) => Promise<QueryReply>): Promise<void> {
    const { bus, metrics, logger, clock, tracer } = this.#options;
    let kind = 'unknown';
    let reply: QueryReply;
    let span = NO_SPAN;
    try {
      const request = decodeServiceMessage<QueryRequest & RequestTerms>(message.data);
      if (KINDS.has(request.t)) kind = request.t;
      if (isExpired(request, clock.now())) return metrics.requests.inc({ kind, result: 'expired' });
      span = tracer.part(`query ${kind}`, request.traceparent, REQUEST_SPAN);
      reply = await handle({ ...request, ...traced(span) });
    } catch (error) {
      reply = problemReply(error, { service: 'query', kind, logger: span.logger(logger) });
    }
    const sent = sendReply(message, reply, { bus, service: 'query', kind, logger: span.logger(logger) });
    const fault = sent.t === 'problem' ? sent.code : undefined;
    span.end(fault);
    metrics.requests.inc({ kind, result: fault ?? 'ok' });
  }

  #handle(request: QueryRequest & Traced): Promise<QueryReply> {
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
      help: 'Requests to the query service, by kind and result (ok, an error code, or expired: dropped because nobody waited any more).',
      labels: ['kind', 'result'],
    }),
  };
}
