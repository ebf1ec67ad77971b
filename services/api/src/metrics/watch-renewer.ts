import type { Bus } from '@muster/bus';
import { encodeBusMessage, SUBJECTS, WATCH_RENEWAL_MS } from '@muster/messages';
import type { AgentId } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime';

export interface WatchRenewerOptions {
  readonly bus: Pick<Bus, 'publish' | 'onConnectionChange'>;
  readonly clock: Clock;
  /** Names this process. */
  readonly api: string;
}

/** Viewers that come within this time after a message are told of together: each message has all endpoints that are watched. */
const GATHER_MS = 10;

/**
 * Tells all gateways which endpoints are watched here: at once when that changes, and again every two seconds, so that
 * a process that dies is forgotten. Says nothing while nobody watches.
 */
export class WatchRenewer {
  readonly #options: WatchRenewerOptions;
  readonly #watched = new Set<AgentId>();
  /** Whether their minutes are asked for too. */
  #begin = new Map<AgentId, { readonly withMinutes: boolean }>();
  #timer: Timer | undefined;
  #unwatch: (() => void) | undefined;
  #isDue = false;
  #toldMs = Number.NEGATIVE_INFINITY;
  #gathering: Timer | undefined;

  constructor(options: WatchRenewerOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, clock } = this.#options;
    this.#timer = clock.setInterval(() => {
      if (this.#watched.size > 0) this.#publish();
    }, WATCH_RENEWAL_MS);
    this.#unwatch = bus.onConnectionChange((connected) => {
      if (connected && this.#watched.size > 0) this.#publish();
    });
  }

  /** The last word: nobody watches any more. */
  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#options.clock.clear(this.#gathering);
    this.#unwatch?.();
    this.#watched.clear();
    this.#begin.clear();
    this.#publish();
  }

  /** Asks for keyframe and history too; again for an endpoint that is watched already. */
  begin(agentId: AgentId, how: { readonly withMinutes: boolean }): void {
    this.#watched.add(agentId);
    this.#begin.set(agentId, { withMinutes: how.withMinutes || this.#begin.get(agentId)?.withMinutes === true });
    this.#due();
  }

  end(agentId: AgentId): void {
    this.#watched.delete(agentId);
    this.#begin.delete(agentId);
    this.#due();
  }

  /** Many changes of one turn, or soon after a message, are one message. */
  #due(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    const { clock } = this.#options;
    const waitMs = this.#toldMs + GATHER_MS - clock.monotonic();
    if (waitMs > 0) this.#gathering = clock.setTimeout(() => this.#tell(), waitMs);
    else queueMicrotask(() => this.#tell());
  }

  #tell(): void {
    this.#isDue = false;
    this.#toldMs = this.#options.clock.monotonic();
    this.#publish();
  }

  #publish(): void {
    const { bus, api } = this.#options;
    const begin = [...this.#begin.keys()];
    const secondsOnly = begin.filter((agentId) => this.#begin.get(agentId)?.withMinutes === false);
    const asked = begin.length > 0 ? { begin, secondsOnly } : {};
    const message = { t: 'watch', api, agents: [...this.#watched], joined: true, ...asked } as const;
    // What was not sent is asked for again with the next renewal.
    if (bus.publish(SUBJECTS.allGatewayMetrics, encodeBusMessage(message)) === 'sent') this.#begin = new Map();
  }
}
