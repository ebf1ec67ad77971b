import type { Bus, BusMessage, BusSubscription } from '@muster/bus';
import {
  decodeServiceMessage,
  isExpired,
  SUBJECTS,
  type ChangeTerms,
  type PostureReply,
  type PostureRequest,
  type RequestTerms,
} from '@muster/messages';
import type { PostureServiceId } from '@muster/protocol';
import type { Clock, Counter, Logger, Metrics } from '@muster/runtime';
import { problemReply, sendReply } from '@muster/service-base';
import { isPostureRequest, type KnownViews } from './known-views.js';
import type { PostureRequests } from './posture-requests.js';

export interface PostureRequestHandlerOptions {
  readonly bus: Pick<Bus, 'subscribe' | 'maxPayloadBytes'>;
  readonly instance: PostureServiceId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RequestMetrics;
  readonly views: Pick<KnownViews, 'currentFor'>;
  readonly requests: Pick<PostureRequests, 'handle'>;
}

/** Answers the API: on the subject of this instance, which the API chose by its heartbeats, and through the queue group. */
export class PostureRequestHandler {
  readonly #options: PostureRequestHandlerOptions;
  #subscriptions: BusSubscription[] = [];
  #shared: BusSubscription | undefined;

  constructor(options: PostureRequestHandlerOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, instance } = this.#options;
    const answer = (message: BusMessage): void => void this.#answer(message);
    this.#shared = bus.subscribe(SUBJECTS.posture, answer, { queue: 'posture' });
    this.#subscriptions = [bus.subscribe(SUBJECTS.postureService(instance), answer)];
  }

  drain(): void {
    this.#shared?.unsubscribe();
  }

  stop(): void {
    this.#shared?.unsubscribe();
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  async #answer(message: BusMessage): Promise<void> {
    const { bus, metrics, logger, clock, views, requests } = this.#options;
    let kind = 'unknown';
    let reply: PostureReply;
    try {
      const request = decodeServiceMessage<PostureRequest & ChangeTerms & RequestTerms>(message.data);
      if (isPostureRequest(request.t)) kind = request.t;
      if (isExpired(request, clock.now())) return metrics.requests.inc({ kind, result: 'expired' });
      if (isPostureRequest(request.t)) await views.currentFor(request.t);
      // Whoever asked has been told meanwhile that it is not known: it must not be done after that.
      if (isExpired(request, clock.now())) return metrics.requests.inc({ kind, result: 'expired' });
      reply = await requests.handle(request);
    } catch (error) {
      reply = problemReply(error, { service: 'posture', kind, logger });
    }
    const sent = sendReply(message, reply, { bus, service: 'posture', kind, logger });
    metrics.requests.inc({ kind, result: sent.t === 'problem' ? sent.code : 'ok' });
  }
}

export interface RequestMetrics {
  readonly requests: Counter<'kind' | 'result'>;
}

export function requestMetrics(metrics: Metrics): RequestMetrics {
  return {
    requests: metrics.counter({
      name: 'muster_posture_requests_total',
      help: 'Requests to the posture service, by kind and result (ok, an error code, or expired: dropped because nobody waited any more).',
      labels: ['kind', 'result'],
    }),
  };
}
