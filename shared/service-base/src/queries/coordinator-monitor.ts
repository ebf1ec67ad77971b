import type { Bus, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type CoordinatorHeartbeat,
  type GatewayReply,
} from '@muster/messages';
import type { CoordinatorId } from '@muster/protocol';
import type { Clock } from '@muster/runtime';

/** A coordinator that was not heard for this long is forgotten. */
const FORGET_MS = 600_000;
const PING_TIMEOUT_MS = 700;

/** Listens to the heartbeats of coordinators: knows which of them have gone silent. */
export class CoordinatorMonitor {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #heardMs = new Map<CoordinatorId, number>();
  #subscription: BusSubscription | undefined;

  readonly #onHeard: (coordinator: CoordinatorId) => void;

  constructor(options: {
    readonly bus: Bus;
    readonly clock: Clock;
    /** Called at each heartbeat. */
    readonly onHeard?: (coordinator: CoordinatorId) => void;
  }) {
    this.#bus = options.bus;
    this.#clock = options.clock;
    this.#onHeard = options.onHeard ?? (() => undefined);
  }

  start(): void {
    this.#subscription = this.#bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
      const heartbeat = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
      if (heartbeat === undefined) return;
      if (!this.#heardMs.has(heartbeat.owner)) this.#forget();
      this.#heard(heartbeat.owner);
      this.#onHeard(heartbeat.owner);
    });
  }

  stop(): void {
    this.#subscription?.unsubscribe();
  }

  /** Time since a coordinator was last heard; `Infinity` when it never was. */
  silenceMs(coordinator: CoordinatorId): number {
    const heardMs = this.#heardMs.get(coordinator);
    return heardMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonic() - heardMs;
  }

  /**
   * Pings a coordinator. Where nothing is known it counts as alive: this process is disconnected, or the broker does not answer either.
   */
  async isAlive(coordinator: CoordinatorId): Promise<boolean> {
    const ping = encodeBusMessage({ t: 'ping' });
    const asked = this.#bus.request(SUBJECTS.coordinator(coordinator), ping, { timeoutMs: PING_TIMEOUT_MS });
    // The broker answers this after it has passed the ping on.
    const passedOn = this.#bus.flush(PING_TIMEOUT_MS);
    const result = await asked;
    if (result.kind === 'disconnected') return true;
    if (result.kind === 'timeout') return this.silenceMs(coordinator) < PING_TIMEOUT_MS || !(await passedOn);
    if (result.kind !== 'reply' || decodeBusMessage<GatewayReply>(result.data, 'ok') === undefined) return false;
    this.#heard(coordinator);
    return true;
  }

  #heard(coordinator: CoordinatorId): void {
    this.#heardMs.set(coordinator, this.#clock.monotonic());
  }

  #forget(): void {
    const nowMs = this.#clock.monotonic();
    for (const [coordinator, heardMs] of this.#heardMs)
      if (nowMs - heardMs > FORGET_MS) this.#heardMs.delete(coordinator);
  }
}
