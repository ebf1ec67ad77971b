import type { Bus } from '@muster/bus';
import { encodeBusMessage, SUBJECTS, type GatewayHeartbeat, type HeldSessions as Held } from '@muster/messages';
import type { GatewayId, SessionMode } from '@muster/protocol';
import { decodeNumbersThrough } from '@muster/records';
import type { Clock, Logger } from '@muster/runtime';

export interface HeldSessionsOptions {
  readonly bus: Pick<Bus, 'publish'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** No endpoint has a higher number now. */
  readonly highestNum: () => number;
}

interface Gateway {
  /** The number of its last heartbeat. */
  beat: number;
  /** Monotonic. */
  heardMs: number;
  /** No heartbeat was missed since the one that said all. */
  isComplete: boolean;
  readonly modes: Map<number, SessionMode>;
}

/** Heartbeats come every 1.5 s: a gateway that is silent for longer may not have noticed that its agents have left. */
const SILENT_MS = 3_000;
/** Who has come or left is named within a quarter of a second; a gateway that is busy may take longer. */
const ANNOUNCED_MS = 1_000;

/**
 * Whom each gateway held when it was last heard, from its heartbeats. When a gateway falls silent this tells whose answers are missing,
 * whatever the registry knows. One entry for each session of gateways that live, or fell silent within the last two minutes.
 */
export class HeldSessions {
  readonly #options: HeldSessionsOptions;
  readonly #gateways = new Map<GatewayId, Gateway>();

  constructor(options: HeldSessionsOptions) {
    this.#options = options;
  }

  /** Takes a heartbeat, and asks for all when one was missed before it. */
  heard({ gateway: id, beat, held }: GatewayHeartbeat): void {
    // One of a former version.
    if (beat === undefined) return;
    const gateway = this.#gateway(id);
    if (beat !== gateway.beat + 1) gateway.isComplete = false;
    gateway.beat = beat;
    gateway.heardMs = this.#options.clock.monotonic();
    if (held !== undefined) this.#take(id, gateway, held);
    if (!gateway.isComplete) this.#options.bus.publish(SUBJECTS.gateway(id), encodeBusMessage({ t: 'send_held' }));
  }

  /** It said goodbye, or is silent for so long that its agents are offline. */
  forget(id: GatewayId): void {
    this.#gateways.delete(id);
  }

  /**
   * Whether it is known of everybody whether this gateway held them at that time (monotonic). Of one that fell silent before, or just
   * then, it is not: sessions may have begun after its last heartbeat.
   */
  knows(id: GatewayId, atMs: number): boolean {
    const gateway = this.#gateways.get(id);
    return gateway !== undefined && gateway.isComplete && gateway.heardMs >= atMs + ANNOUNCED_MS;
  }

  /** Whom this gateway held, as far as that is known: agents by number, with the channel of their session. */
  heldBy(id: GatewayId): ReadonlyMap<number, SessionMode> {
    return this.#gateways.get(id)?.modes ?? new Map<number, SessionMode>();
  }

  #gateway(id: GatewayId): Gateway {
    let gateway = this.#gateways.get(id);
    if (gateway === undefined) {
      gateway = { beat: -1, heardMs: 0, isComplete: false, modes: new Map() };
      this.#gateways.set(id, gateway);
    }
    return gateway;
  }

  #take(id: GatewayId, gateway: Gateway, held: Held): void {
    const { whole } = held;
    const highest = this.#options.highestNum();
    let sets: Record<keyof Omit<Held, 'whole'>, number[]>;
    let above: number;
    try {
      const [live, poll] = [decodeNumbersThrough(held.live, highest), decodeNumbersThrough(held.poll, highest)];
      sets = { live: live.numbers, poll: poll.numbers, ended: decodeNumbersThrough(held.ended, highest).numbers };
      above = live.above + poll.above;
    } catch (error) {
      gateway.isComplete = false;
      this.#options.logger.error('heartbeat of a gateway is malformed', { gateway: id, err: error });
      return;
    }
    if (whole) gateway.modes.clear();
    if (whole) gateway.isComplete = true;
    if (above > 0) {
      // What this process has not read of the identities yet, or what a gateway that was taken over makes up.
      gateway.isComplete = false;
      this.#options.logger.warn('a gateway holds numbers that no endpoint has', { gateway: id, above });
    }
    for (const mode of ['live', 'poll'] as const) for (const num of sets[mode]) gateway.modes.set(num, mode);
    for (const num of sets.ended) gateway.modes.delete(num);
    if (!whole) this.#leftSilent(id, [...sets.live, ...sets.poll]);
  }

  /** These agents have just come here. A silent gateway will not say that they have left it. */
  #leftSilent(to: GatewayId, nums: readonly number[]): void {
    if (nums.length === 0) return;
    const nowMs = this.#options.clock.monotonic();
    for (const [id, { heardMs, modes }] of this.#gateways) {
      if (id === to || nowMs - heardMs <= SILENT_MS) continue;
      for (const num of nums) modes.delete(num);
    }
  }
}
