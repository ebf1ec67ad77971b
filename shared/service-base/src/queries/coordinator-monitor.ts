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

/** What a coordinator last said. */
interface Heard {
  /** On the monotonic clock of this process. */
  readonly atMs: number;
  /** Its wall clock against that monotonic clock, from its last heartbeat with a time. */
  readonly offsetMs: number | undefined;
}

/** Listens to the heartbeats of coordinators: knows which of them have gone silent, and what their clocks say. */
export class CoordinatorMonitor {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #heard = new Map<CoordinatorId, Heard>();
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
      if (!this.#heard.has(heartbeat.owner)) this.#forget();
      this.#note(heartbeat.owner, heartbeat.nowMs);
      this.#onHeard(heartbeat.owner);
    });
  }

  stop(): void {
    this.#subscription?.unsubscribe();
  }

  /** Time since a coordinator was last heard; `Infinity` when it never was. */
  silenceMs(coordinator: CoordinatorId): number {
    const heard = this.#heard.get(coordinator);
    return heard === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonic() - heard.atMs;
  }

  /**
   * What the wall clock of a coordinator says now: deadlines of its queries are by that clock, and the one of this
   * process may be off. For a coordinator that was never heard it is the clock of the one that was heard last, and only
   * where none was that of this process.
   */
  nowMs(coordinator: CoordinatorId): number {
    const offsetMs = this.#heard.get(coordinator)?.offsetMs ?? this.#newestOffsetMs();
    return offsetMs === undefined ? this.#clock.now() : this.#clock.monotonic() + offsetMs;
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
    this.#note(coordinator);
    return true;
  }

  #note(coordinator: CoordinatorId, nowMs?: number): void {
    const atMs = this.#clock.monotonic();
    const offsetMs = nowMs === undefined ? this.#heard.get(coordinator)?.offsetMs : nowMs - atMs;
    this.#heard.set(coordinator, { atMs, offsetMs });
  }

  #newestOffsetMs(): number | undefined {
    let newest: Heard | undefined;
    for (const heard of this.#heard.values())
      if (heard.offsetMs !== undefined && (newest === undefined || heard.atMs > newest.atMs)) newest = heard;
    return newest?.offsetMs;
  }

  #forget(): void {
    const nowMs = this.#clock.monotonic();
    for (const [coordinator, { atMs }] of this.#heard) if (nowMs - atMs > FORGET_MS) this.#heard.delete(coordinator);
  }
}
