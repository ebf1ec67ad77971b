import type { Bus } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayReply,
  type PollReply,
  type PollRequest,
} from '@muster/messages';
import type { GatewayId } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import type { PollMetrics } from './poll-metrics.js';

export interface PollRelayOptions {
  readonly bus: Pick<Bus, 'request'>;
  readonly registry: Pick<Registry, 'gateways'>;
  readonly metrics: PollMetrics;
}

/** Longer than a hello is waited for there. */
const TIMEOUT_MS = 12_000;
/** A holder that was killed with the request in its hands never answers it, but nobody listens in its place when it is asked again. */
const ATTEMPT_MS = 2_000;

/** A request that could not be passed on: nothing is known of the session, and the agent had better ask again. */
export interface PollUnavailable {
  readonly kind: 'unavailable';
}

/**
 * Passes a poll on to the gateway that holds its session. When that one does not answer, its sessions are worth nothing: the agent is told
 * that nobody knows the session, and opens another one here.
 */
export class PollRelay {
  readonly #options: PollRelayOptions;

  constructor(options: PollRelayOptions) {
    this.#options = options;
  }

  async pass(holder: GatewayId, request: PollRequest): Promise<PollReply | PollUnavailable> {
    const { bus, metrics } = this.#options;
    const message = encodeBusMessage({ t: 'poll', ...request });
    for (let leftMs = TIMEOUT_MS; ; leftMs -= ATTEMPT_MS) {
      const result = await bus.request(SUBJECTS.gatewayPolls(holder), message, { timeoutMs: ATTEMPT_MS });
      metrics.pollsRelayed.inc({ result: result.kind });
      // A request is taken once, however often it comes.
      if (
        result.kind === 'timeout' &&
        leftMs > ATTEMPT_MS &&
        (leftMs === TIMEOUT_MS || (await this.#mayAnswer(holder)))
      )
        continue;
      if (result.kind === 'disconnected') return { kind: 'unavailable' };
      if (result.kind !== 'reply') return { kind: 'unknown' };
      const reply = decodeBusMessage<Extract<GatewayReply, { t: 'polled' }>>(result.data, 'polled');
      // It failed at this request, and may still hold the session.
      return reply ?? { kind: 'unavailable' };
    }
  }

  /** One that stands still is heard of no more when its lease is over: its sessions are fenced when it goes on. */
  async #mayAnswer(holder: GatewayId): Promise<boolean> {
    const leased = await this.#options.registry.gateways();
    return leased.kind === 'unavailable' || leased.gateways.some(({ gatewayId }) => gatewayId === holder);
  }
}
