import type { Bus, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayHeartbeat,
  type GatewayReply,
} from '@muster/messages';
import type { GatewayId } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import type { Clock, Logger } from '@muster/runtime';

/** How a gateway was found dead: nobody listens under its name; its lease ended; it was silent for longer than a lease lasts. */
export type DeathSign = 'no_responders' | 'lease_ended' | 'silent';

export interface GatewayWatchOptions {
  readonly bus: Bus;
  readonly registry: Pick<Registry, 'gateways'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onDead: (gateway: GatewayId, sign: DeathSign) => void;
}

/** Gateways that have to report about a new query. `certain` is false when the registry could not be asked. */
export interface Expected {
  readonly gateways: readonly GatewayId[];
  readonly certain: boolean;
}

interface Known {
  heardMs: number;
  /** Reset by any sign of life. */
  dead: boolean;
  asking: boolean;
}

/** Gateways report at least once a second for each query that runs; this much silence is worth a question. */
const SILENCE_MS = 1_500;
const PING_TIMEOUT_MS = 1_000;
/** As long as a lease lasts: after that a gateway has fenced itself. */
const DEAD_SILENCE_MS = 15_000;
const BEAT_MEMORY_MS = 15_000;
/** After our own connection was away others may still be on their way back, and "nobody listens" proves nothing. */
const RECONNECT_GRACE_MS = 5_000;
const FORGET_MS = 300_000;

/**
 * Which gateways live, from whatever is heard of them:
 *
 *     heard ──1.5 s silent and needed──▶ asked ──reply, report or beat──▶ heard
 *                                          ├──nobody listens──────────────▶ dead
 *                                          └──no reply, and lease over
 *                                             or 15 s silent──────────────▶ dead ──any sign──▶ heard
 *
 * A query that was told of a death believes it for good; for later queries the gateway may live again.
 */
export class GatewayWatch {
  readonly #options: GatewayWatchOptions;
  readonly #known = new Map<GatewayId, Known>();
  #subscription: BusSubscription | undefined;
  #unlisten: (() => void) | undefined;
  #reconnectedMs = Number.NEGATIVE_INFINITY;

  constructor(options: GatewayWatchOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, clock } = this.#options;
    this.#subscription = bus.subscribe(SUBJECTS.gatewayHeartbeats, ({ data }) => {
      const beat = decodeBusMessage<GatewayHeartbeat>(data, 'gateway_beat');
      if (beat !== undefined) this.heard(beat.gateway);
    });
    this.#unlisten = bus.onConnectionChange((connected) => {
      if (connected) this.#reconnectedMs = clock.monotonic();
    });
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    this.#unlisten?.();
  }

  /** A sign of life. */
  heard(gateway: GatewayId): void {
    const known = this.#known.get(gateway);
    const heardMs = this.#options.clock.monotonic();
    if (known === undefined) this.#known.set(gateway, { heardMs, dead: false, asking: false });
    else {
      known.heardMs = heardMs;
      known.dead = false;
    }
  }

  /** The gateways that live, as far as the registry and what was heard tell. Never throws. */
  async expected(): Promise<Expected> {
    const leased = await this.#options.registry.gateways();
    const nowMs = this.#options.clock.monotonic();
    const gateways = new Set<GatewayId>();
    for (const [gateway, { heardMs }] of this.#known) {
      if (nowMs - heardMs <= BEAT_MEMORY_MS) gateways.add(gateway);
      else if (nowMs - heardMs > FORGET_MS) this.#known.delete(gateway);
    }
    if (leased.kind === 'gateways') for (const { gatewayId } of leased.gateways) gateways.add(gatewayId as GatewayId);
    return {
      gateways: [...gateways].filter((gateway) => this.#known.get(gateway)?.dead !== true),
      certain: leased.kind === 'gateways',
    };
  }

  /** Something depends on this gateway since `sinceMs` (monotonic): asks it when it has been silent for too long. */
  need(gateway: GatewayId, sinceMs: number): void {
    const nowMs = this.#options.clock.monotonic();
    const known = this.#known.get(gateway) ?? { heardMs: sinceMs, dead: false, asking: false };
    this.#known.set(gateway, known);
    // A gateway that was never heard of is measured from when it was first needed.
    if (known.asking || nowMs - Math.max(known.heardMs, sinceMs) < SILENCE_MS) return;
    known.asking = true;
    void this.#ask(gateway, known).finally(() => {
      known.asking = false;
    });
  }

  async #ask(gateway: GatewayId, known: Known): Promise<void> {
    const { bus, clock } = this.#options;
    const ping = encodeBusMessage({ t: 'ping' });
    const askedMs = clock.monotonic();
    const result = await bus.request(SUBJECTS.gateway(gateway), ping, { timeoutMs: PING_TIMEOUT_MS });
    switch (result.kind) {
      case 'reply':
        if (decodeBusMessage<GatewayReply>(result.data, 'ok') !== undefined) this.heard(gateway);
        return;
      case 'no_responders':
        if (clock.monotonic() - this.#reconnectedMs > RECONNECT_GRACE_MS)
          this.#declareDead(gateway, known, 'no_responders');
        return;
      case 'timeout': {
        if (known.heardMs > askedMs) return;
        if (clock.monotonic() - known.heardMs >= DEAD_SILENCE_MS) return this.#declareDead(gateway, known, 'silent');
        const leased = await this.#options.registry.gateways();
        if (leased.kind !== 'gateways' || known.heardMs > askedMs) return;
        if (!leased.gateways.some(({ gatewayId }) => gatewayId === gateway))
          this.#declareDead(gateway, known, 'lease_ended');
        return;
      }
      case 'disconnected':
    }
  }

  #declareDead(gateway: GatewayId, known: Known, sign: DeathSign): void {
    known.dead = true;
    this.#options.logger.warn('gateway is dead', { gateway, sign });
    this.#options.onDead(gateway, sign);
  }
}
