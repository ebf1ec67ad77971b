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

/** Why a gateway is considered dead: nothing listens on its subject; its lease ended; it was silent for longer than a lease lasts. */
export type FailureSign = 'no_responders' | 'lease_ended' | 'silent';

export interface GatewayFailureDetectorOptions {
  readonly bus: Bus;
  readonly registry: Pick<Registry, 'gateways'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onDead: (gateway: GatewayId, sign: FailureSign) => void;
}

/** Gateways that must send a first update for a new query. `certain` is false when the registry was unavailable. */
export interface ExpectedGateways {
  readonly gateways: readonly GatewayId[];
  readonly certain: boolean;
}

interface Known {
  heardMs: number;
  /** Cleared by any message from the gateway. */
  dead: boolean;
  probing: boolean;
}

/** Gateways send at least one update a second for each running query; after this much silence they are pinged. */
const SILENCE_MS = 1_500;
const PING_TIMEOUT_MS = 1_000;
/** The length of a lease: after that a gateway has fenced itself. */
const DEAD_SILENCE_MS = 15_000;
const RECENTLY_HEARD_MS = 15_000;
/** After a reconnect of this process, gateways may still be reconnecting too: "no responders" proves nothing for this long. */
const RECONNECT_GRACE_MS = 5_000;
const FORGET_MS = 300_000;

/**
 * Knows which gateways are alive, from any message that they send:
 *
 *     heard ──1.5 s silent and needed──▶ pinged ──reply, update or heartbeat──▶ heard
 *                                          ├──no responders──────────────────▶ dead
 *                                          └──no reply, and lease ended
 *                                             or 15 s silent─────────────────▶ dead ──any message──▶ heard
 *
 * For a query that was running, a dead gateway stays dead; for later queries it may be alive again.
 */
export class GatewayFailureDetector {
  readonly #options: GatewayFailureDetectorOptions;
  readonly #known = new Map<GatewayId, Known>();
  #subscription: BusSubscription | undefined;
  #unlisten: (() => void) | undefined;
  #reconnectedMs = Number.NEGATIVE_INFINITY;

  constructor(options: GatewayFailureDetectorOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, clock } = this.#options;
    this.#subscription = bus.subscribe(SUBJECTS.gatewayHeartbeats, ({ data }) => {
      const heartbeat = decodeBusMessage<GatewayHeartbeat>(data, 'gateway_beat');
      if (heartbeat !== undefined) this.heard(heartbeat.gateway);
    });
    this.#unlisten = bus.onConnectionChange((connected) => {
      if (connected) this.#reconnectedMs = clock.monotonic();
    });
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    this.#unlisten?.();
  }

  /** Any message from the gateway. */
  heard(gateway: GatewayId): void {
    const known = this.#known.get(gateway);
    const heardMs = this.#options.clock.monotonic();
    if (known === undefined) this.#known.set(gateway, { heardMs, dead: false, probing: false });
    else {
      known.heardMs = heardMs;
      known.dead = false;
    }
  }

  /** The gateways that are alive according to the registry and to what was heard. Never throws. */
  async expectedGateways(): Promise<ExpectedGateways> {
    const leased = await this.#options.registry.gateways();
    const nowMs = this.#options.clock.monotonic();
    const gateways = new Set<GatewayId>();
    for (const [gateway, { heardMs }] of this.#known) {
      if (nowMs - heardMs <= RECENTLY_HEARD_MS) gateways.add(gateway);
      else if (nowMs - heardMs > FORGET_MS) this.#known.delete(gateway);
    }
    if (leased.kind === 'gateways') for (const { gatewayId } of leased.gateways) gateways.add(gatewayId as GatewayId);
    return {
      gateways: [...gateways].filter((gateway) => this.#known.get(gateway)?.dead !== true),
      certain: leased.kind === 'gateways',
    };
  }

  /** A query has depended on this gateway since `sinceMs` (monotonic): pings it when it has been silent for too long. */
  probeIfSilent(gateway: GatewayId, sinceMs: number): void {
    const nowMs = this.#options.clock.monotonic();
    const known = this.#known.get(gateway) ?? { heardMs: sinceMs, dead: false, probing: false };
    this.#known.set(gateway, known);
    // The silence of a gateway that was never heard counts from when it was first needed.
    if (known.probing || nowMs - Math.max(known.heardMs, sinceMs) < SILENCE_MS) return;
    known.probing = true;
    void this.#ping(gateway, known).finally(() => {
      known.probing = false;
    });
  }

  async #ping(gateway: GatewayId, known: Known): Promise<void> {
    const { bus, clock } = this.#options;
    const ping = encodeBusMessage({ t: 'ping' });
    const pingedMs = clock.monotonic();
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
        if (known.heardMs > pingedMs) return;
        if (clock.monotonic() - known.heardMs >= DEAD_SILENCE_MS) return this.#declareDead(gateway, known, 'silent');
        const leased = await this.#options.registry.gateways();
        if (leased.kind !== 'gateways' || known.heardMs > pingedMs) return;
        if (!leased.gateways.some(({ gatewayId }) => gatewayId === gateway))
          this.#declareDead(gateway, known, 'lease_ended');
        return;
      }
      case 'disconnected':
    }
  }

  #declareDead(gateway: GatewayId, known: Known, sign: FailureSign): void {
    known.dead = true;
    this.#options.logger.warn('gateway is dead', { gateway, sign });
    this.#options.onDead(gateway, sign);
  }
}
