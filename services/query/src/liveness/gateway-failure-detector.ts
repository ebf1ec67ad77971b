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
import type { Clock, Logger, Timer } from '@muster/runtime';
import type { HearingMonitor } from './hearing-monitor.js';
import type { HeldSessions } from './held-sessions.js';

/** Why a gateway is considered dead: nothing listens on its subject; it was silent for longer than a lease lasts; it said goodbye. */
export type FailureSign = 'no_responders' | 'silent' | 'stopped';

export interface GatewayFailureDetectorOptions {
  readonly bus: Bus;
  readonly registry: { readonly lease: Pick<Registry['lease'], 'lapsed'> } & Pick<Registry, 'gateways'>;
  readonly hearing: Pick<HearingMonitor, 'forMs' | 'listen'>;
  /** Remembers what heartbeats say, for as long as the gateway is known. */
  readonly held: Pick<HeldSessions, 'heard' | 'forget'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onDead: (gateway: GatewayId, sign: FailureSign) => void;
  /** A gateway that was dead is heard again. */
  readonly onReturned: (gateway: GatewayId) => void;
}

/** What is known of the gateways at this moment. */
export interface GatewayView {
  /** Must send a first update for a new query. */
  readonly expected: readonly GatewayId[];
  /** One that is dead lived a moment ago and has not said goodbye, or there may be such a one: its endpoints belong to the targets. */
  readonly anyLost: boolean;
  /** False when there may be gateways that were not heard of yet. */
  readonly certain: boolean;
}

/** Gateways that live, or lived a moment ago and have not said goodbye. */
export interface KnownGateways {
  readonly ids: readonly GatewayId[];
  /** There are no others. */
  readonly isComplete: boolean;
}

interface Known {
  /** Of this process's clock, monotonic. */
  heardMs: number;
  /** Cleared by any message from the gateway. */
  dead: boolean;
  probing: boolean;
}

/** Gateways send at least one update a second for each running query; after this much silence they are pinged. */
export const SILENCE_MS = 1_500;
const PING_TIMEOUT_MS = 1_000;
/** The length of a lease: after that a gateway that stood still has fenced itself. Ten of its heartbeats are missing. */
const DEAD_SILENCE_MS = 15_000;
/**
 * Who was live counts as lost for so long: its endpoints have left a silent gateway, and were let in elsewhere. Whoever is not back then
 * is offline.
 */
export const LOST_MS = 120_000;
/** When this process begins to hear, gateways may still be reconnecting: "no responders" proves nothing for this long. */
const RECONNECT_GRACE_MS = 5_000;
/** Gateways send a heartbeat every 1.5 s and connect again within 1 s: who lives was heard within this time. */
const HEARD_ALL_MS = 3_000;
const LOOK_MS = 1_000;

/**
 * Knows which gateways are alive, from any message that they send:
 *
 *     heard ──1.5 s silent and needed──▶ pinged ──reply, update or heartbeat──▶ heard
 *       │                                  └──no responders──────────────┐
 *       ├──15 s silent───────────────────────────────────────────────────┴▶ dead ──any message──▶ heard
 *       └──goodbye──▶ forgotten                                               └──120 s──▶ forgotten
 *
 * Silence counts only while this process hears. Leases are read when it begins to hear, for gateways that do not speak any more; no query
 * waits for that.
 */
export class GatewayFailureDetector {
  readonly #options: GatewayFailureDetectorOptions;
  readonly #known = new Map<GatewayId, Known>();
  #subscription: BusSubscription | undefined;
  #timer: Timer | undefined;
  /** Monotonic; when the leases were last read. */
  #readMs = Number.NEGATIVE_INFINITY;
  #isReading = false;

  constructor(options: GatewayFailureDetectorOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, clock, hearing, held } = this.#options;
    this.#subscription = bus.subscribe(SUBJECTS.gatewayHeartbeats, ({ data }) => {
      const heartbeat = decodeBusMessage<GatewayHeartbeat>(data, 'gateway_beat');
      if (heartbeat === undefined) return;
      if (heartbeat.stopped === true) return this.#stopped(heartbeat.gateway);
      held.heard(heartbeat);
      this.heard(heartbeat.gateway);
    });
    hearing.listen(() => this.#look());
    this.#timer = clock.setInterval(() => {
      this.#forgetSilent();
      this.#look();
    }, LOOK_MS);
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    this.#options.clock.clear(this.#timer);
  }

  /** Any message from the gateway. */
  heard(gateway: GatewayId): void {
    const known = this.#know(gateway);
    const wasDead = known.dead;
    known.heardMs = this.#options.clock.monotonic();
    known.dead = false;
    if (wasDead) this.#options.onReturned(gateway);
  }

  view(): GatewayView {
    this.#forgetSilent();
    const expected: GatewayId[] = [];
    let anyLost = !this.#knowsAll;
    for (const [gateway, known] of this.#known) {
      if (this.#silenceMs(known) > DEAD_SILENCE_MS) this.#declareDead(gateway, known, 'silent');
      if (known.dead) anyLost = true;
      else expected.push(gateway);
    }
    // The leases alone do not tell who lives: the registry may have been emptied since they were renewed.
    return { expected, anyLost, certain: (this.#options.hearing.forMs ?? 0) >= HEARD_ALL_MS };
  }

  known(): KnownGateways {
    return { ids: [...this.#known.keys()], isComplete: this.#knowsAll };
  }

  /** A query has depended on this gateway since `sinceMs` (monotonic): pings it when it has been silent for too long. */
  probeIfSilent(gateway: GatewayId, sinceMs: number): void {
    const nowMs = this.#options.clock.monotonic();
    const known = this.#know(gateway);
    if (this.#silenceMs(known) > DEAD_SILENCE_MS) {
      this.#declareDead(gateway, known, 'silent');
      return;
    }
    // The silence of a gateway that was never heard counts from when it was first needed.
    if (known.probing || Math.min(this.#silenceMs(known), nowMs - sinceMs) < SILENCE_MS) return;
    known.probing = true;
    void this.#ping(gateway, known).finally(() => {
      known.probing = false;
    });
  }

  /** How long it was silent, as far as this process could hear. */
  #silenceMs({ heardMs }: Known): number {
    const { clock, hearing } = this.#options;
    return Math.min(clock.monotonic() - heardMs, hearing.forMs ?? 0);
  }

  #know(gateway: GatewayId, heardMs = this.#options.clock.monotonic()): Known {
    let known = this.#known.get(gateway);
    if (known === undefined) {
      known = { heardMs, dead: false, probing: false };
      this.#known.set(gateway, known);
    }
    return known;
  }

  async #ping(gateway: GatewayId, known: Known): Promise<void> {
    const { bus, hearing } = this.#options;
    const ping = encodeBusMessage({ t: 'ping' });
    const result = await bus.request(SUBJECTS.gateway(gateway), ping, { timeoutMs: PING_TIMEOUT_MS });
    if (result.kind === 'reply') {
      if (decodeBusMessage<GatewayReply>(result.data, 'ok') !== undefined) this.heard(gateway);
    } else if (result.kind === 'no_responders' && (hearing.forMs ?? 0) > RECONNECT_GRACE_MS) {
      this.#declareDead(gateway, known, 'no_responders');
    }
  }

  #stopped(gateway: GatewayId): void {
    this.#forget(gateway);
    this.#options.onDead(gateway, 'stopped');
  }

  #forget(gateway: GatewayId): void {
    this.#known.delete(gateway);
    this.#options.held.forget(gateway);
  }

  #forgetSilent(): void {
    for (const [gateway, known] of this.#known) if (this.#silenceMs(known) > LOST_MS) this.#forget(gateway);
  }

  #declareDead(gateway: GatewayId, known: Known, sign: FailureSign): void {
    if (known.dead) return;
    known.dead = true;
    this.#options.logger.warn('gateway is dead', { gateway, sign });
    this.#options.onDead(gateway, sign);
  }

  /** Every gateway that lived a moment ago has been heard, or its lease was seen when this process began. */
  get #knowsAll(): boolean {
    return Number.isFinite(this.#readMs) || (this.#options.hearing.forMs ?? 0) >= LOST_MS;
  }

  /** The leases were read since this process hears. */
  get #hasReadLeases(): boolean {
    const { clock, hearing } = this.#options;
    return hearing.forMs !== undefined && this.#readMs >= clock.monotonic() - hearing.forMs;
  }

  /** Tries again at the next look when the leases cannot be read. */
  #look(): void {
    void this.#readLeases().catch((error: unknown) => {
      this.#options.logger.warn('the leases of gateways cannot be read', { err: error });
    });
  }

  /** Reads the leases once each time that this process begins to hear: of who lives, and of who lived a moment ago. */
  async #readLeases(): Promise<void> {
    const { registry, clock, hearing } = this.#options;
    if (hearing.forMs === undefined || this.#hasReadLeases || this.#isReading) return;
    this.#isReading = true;
    const startedMs = clock.monotonic();
    const both = Promise.all([registry.gateways(), registry.lease.lapsed(LOST_MS)]);
    const [live, lapsed] = await both.finally(() => (this.#isReading = false));
    if (live.kind !== 'gateways' || lapsed.kind !== 'gateways') return;
    this.#readMs = startedMs;
    for (const { gatewayId, remainingMs } of [...live.gateways, ...lapsed.gateways]) {
      // It was renewed when it had its whole length to go.
      this.#know(gatewayId as GatewayId, startedMs - Math.max(0, DEAD_SILENCE_MS - remainingMs));
    }
  }
}
