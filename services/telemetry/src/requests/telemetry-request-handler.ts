import type { Bus, BusMessage, BusSubscription } from '@muster/bus';
import {
  decodeServiceMessage,
  isExpired,
  SUBJECTS,
  type RequestTerms,
  type TelemetryReply,
  type TelemetryRequest,
} from '@muster/messages';
import type { TelemetryServiceId } from '@muster/protocol';
import type { Clock, Counter, Logger, Metrics } from '@muster/runtime';
import { problemReply, sendReply } from '@muster/service-base';
import type { TelemetryRequests } from './telemetry-requests.js';

export interface TelemetryRequestHandlerOptions {
  readonly bus: Pick<Bus, 'subscribe' | 'maxPayloadBytes'>;
  readonly instance: TelemetryServiceId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RequestMetrics;
  readonly requests: Pick<TelemetryRequests, 'handle'>;
  /** Gives up what this instance must not tell of any more. */
  readonly beforeRead: () => void;
}

const KINDS: ReadonlySet<string> = new Set<TelemetryRequest['t']>([
  ...(['latest_metrics', 'fleet_metrics', 'fleet_top', 'health_states', 'health_list'] as const),
]);

/** Answers the API: on the subject of this instance, and on those of the partitions that it owns. */
export class TelemetryRequestHandler {
  readonly #options: TelemetryRequestHandlerOptions;
  #own: BusSubscription | undefined;

  constructor(options: TelemetryRequestHandlerOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, instance } = this.#options;
    this.#own = bus.subscribe(SUBJECTS.telemetryService(instance), (message) => this.onRequest(message));
  }

  stop(): void {
    this.#own?.unsubscribe();
  }

  onRequest(message: BusMessage): void {
    void this.#answer(message);
  }

  async #answer(message: BusMessage): Promise<void> {
    const { bus, metrics, logger, clock, requests, beforeRead } = this.#options;
    let kind = 'unknown';
    let reply: TelemetryReply;
    try {
      const request = decodeServiceMessage<TelemetryRequest & RequestTerms>(message.data);
      if (KINDS.has(request.t)) kind = request.t;
      if (isExpired(request, clock.now())) return metrics.requests.inc({ kind, result: 'expired' });
      beforeRead();
      reply = await requests.handle(request);
    } catch (error) {
      reply = problemReply(error, { service: 'telemetry', kind, logger });
    }
    const sent = sendReply(message, reply, { bus, service: 'telemetry', kind, logger });
    metrics.requests.inc({ kind, result: sent.t === 'problem' ? sent.code : 'ok' });
  }
}

export interface RequestMetrics {
  readonly requests: Counter<'kind' | 'result'>;
}

export function requestMetrics(metrics: Metrics): RequestMetrics {
  return {
    requests: metrics.counter({
      name: 'muster_telemetry_requests_total',
      help: 'Requests to the telemetry service, by kind and result (ok, an error code, or expired: dropped because nobody waited any more).',
      labels: ['kind', 'result'],
    }),
  };
}
