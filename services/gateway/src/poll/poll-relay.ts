import type { Bus } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayId,
  type GatewayReply,
  type PollReply,
  type PollRequest,
} from '@muster/protocol';
import type { PollMetrics } from './poll-metrics.js';

export interface PollRelayOptions {
  readonly bus: Pick<Bus, 'request' | 'maxPayloadBytes'>;
  readonly metrics: PollMetrics;
}

/** Longer than a hello is waited for there. */
const TIMEOUT_MS = 12_000;

/**
 * Passes a poll on to the gateway that holds its session. When that one does not answer, its sessions are worth nothing: the agent is told
 * that nobody knows the session, and opens another one here.
 */
export class PollRelay {
  readonly #options: PollRelayOptions;

  constructor(options: PollRelayOptions) {
    this.#options = options;
  }

  async pass(holder: GatewayId, request: PollRequest): Promise<PollReply> {
    const { bus, metrics } = this.#options;
    const message = encodeBusMessage({ t: 'poll', ...request });
    const result = await bus.request(SUBJECTS.gateway(holder), message, { timeoutMs: TIMEOUT_MS });
    metrics.pollsRelayed.inc({ result: result.kind });
    if (result.kind !== 'reply') return { kind: 'unknown' };
    const reply = decodeBusMessage<Extract<GatewayReply, { t: 'polled' }>>(result.data, 'polled');
    return reply ?? { kind: 'unknown' };
  }
}
