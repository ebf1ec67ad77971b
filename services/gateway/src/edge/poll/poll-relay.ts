import type { Bus, BusSubscription } from '@muster/bus';
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
import type { Logger } from '@muster/runtime';
import type { GatewayIdentity } from '../../foundation/gateway-identity.js';
import { answerRequests } from '../../foundation/gateway-inbox.js';
import type { PollMetrics } from './poll-metrics.js';

export interface PollRelayOptions {
  readonly bus: Bus;
  readonly registry: Pick<Registry, 'gateways'>;
  readonly identity: GatewayIdentity;
  readonly logger: Logger;
  readonly metrics: PollMetrics;
}

/** Longer than the holder waits for a session to become ready. */
const TIMEOUT_MS = 12_000;
/** A holder that was killed while it had the request never answers it; the next attempt finds that nobody listens. */
const ATTEMPT_MS = 2_000;

/** Nobody listens where the holder did. */
const NOBODY: PollReply = { kind: 'unknown' };

/** A request that could not be passed on: nothing is known of the session, and the agent should ask again. */
export interface PollUnavailable {
  readonly kind: 'unavailable';
}

/**
 * Passes polls on to the gateways that hold their sessions, and answers those that others pass on. When a holder does not answer, its
 * sessions are worth nothing: the agent hears that nobody knows the session, and opens another one here.
 */
export class PollRelay {
  readonly #options: PollRelayOptions;
  #subscription: BusSubscription | undefined;
  #answer: ((request: PollRequest) => Promise<PollReply>) | undefined;

  constructor(options: PollRelayOptions) {
    this.#options = options;
    options.identity.listen({ fenced: () => this.#subscribe() });
  }

  /** `answer` takes a poll in a session that is held here. */
  start(answer: (request: PollRequest) => Promise<PollReply>): void {
    this.#answer = answer;
    this.#subscribe();
  }

  stop(): void {
    this.#answer = undefined;
    this.#subscription?.unsubscribe();
  }

  /**
   * A holder of the version before knows sessions by their names alone, and says that it does not know the hash: it alone gets the `name`,
   * until the version after this one.
   */
  async pass(holder: GatewayId, request: PollRequest, name: string): Promise<PollReply | PollUnavailable> {
    const reply = await this.#ask(holder, request);
    const isFormer = reply.kind === 'unknown' && reply !== NOBODY && reply.byHash !== true;
    return isFormer ? this.#ask(holder, { ...request, session: name }) : reply;
  }

  async #ask(holder: GatewayId, request: PollRequest): Promise<PollReply | PollUnavailable> {
    const { bus, metrics } = this.#options;
    const message = encodeBusMessage({ t: 'poll', ...request });
    for (let leftMs = TIMEOUT_MS; ; leftMs -= ATTEMPT_MS) {
      const result = await bus.request(SUBJECTS.gatewayPolls(holder), message, { timeoutMs: ATTEMPT_MS });
      metrics.relayed.inc({ result: result.kind });
      // A request is taken once, however often it comes.
      if (
        result.kind === 'timeout' &&
        leftMs > ATTEMPT_MS &&
        (leftMs === TIMEOUT_MS || (await this.#mayAnswer(holder)))
      )
        continue;
      if (result.kind === 'disconnected') return { kind: 'unavailable' };
      if (result.kind !== 'reply') return NOBODY;
      const reply = decodeBusMessage<Extract<GatewayReply, { t: 'polled' }>>(result.data, 'polled');
      // It failed at this request, and may still hold the session.
      return reply ?? { kind: 'unavailable' };
    }
  }

  /** A holder that stands still loses its lease, and its sessions are fenced when it goes on. */
  async #mayAnswer(holder: GatewayId): Promise<boolean> {
    const leased = await this.#options.registry.gateways();
    return leased.kind === 'unavailable' || leased.gateways.some(({ gatewayId }) => gatewayId === holder);
  }

  /** Poll sessions are named for the id under which they were opened: other gateways go on asking there. */
  #subscribe(): void {
    const answer = this.#answer;
    if (answer === undefined) return;
    const { bus, logger, identity } = this.#options;
    this.#subscription?.unsubscribe();
    this.#subscription = answerRequests({
      ...{ bus, logger, subject: SUBJECTS.gatewayPolls(identity.id) },
      handlers: { poll: async (request) => ({ t: 'polled', ...(await answer(request)) }) },
    });
  }
}
