import type { Bus, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  SUBJECTS,
  type CommandServiceHeartbeat,
  type CoordinatorHeartbeat,
  type GatewayHeartbeat,
} from '@muster/messages';
import type { Clock } from '@muster/runtime';

interface Heard {
  readonly atMs: number;
  readonly offsetMs: number;
}

/** What a peer said within this time counts. Heartbeats come every second. */
const FRESH_MS = 5_000;
/** Of one peer: more than it says in that time, unless all that it said meanwhile is read at once. */
const REMEMBERED = 16;

/**
 * What the clocks of gateways, query services and command services say, against the monotonic clock of this process: so it does not change when
 * the own clock is set. A heartbeat that is late makes its sender's clock look slow, so the fastest of a few counts.
 */
export class PeerClocks {
  readonly #bus: Pick<Bus, 'subscribe'>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #self: string;
  readonly #peers = new Map<string, readonly Heard[]>();
  #subscriptions: readonly BusSubscription[] = [];

  constructor(options: {
    readonly bus: Pick<Bus, 'subscribe'>;
    readonly clock: Pick<Clock, 'monotonic'>;
    /** The id of this process in its own heartbeats: they say nothing new. */
    readonly self: string;
  }) {
    this.#bus = options.bus;
    this.#clock = options.clock;
    this.#self = options.self;
  }

  start(): void {
    this.#subscriptions = [
      this.#bus.subscribe(SUBJECTS.gatewayHeartbeats, ({ data }) => {
        const heartbeat = decodeBusMessage<GatewayHeartbeat>(data, 'gateway_beat');
        this.#heard(heartbeat?.gateway, heartbeat?.nowMs);
      }),
      this.#bus.subscribe(SUBJECTS.commandHeartbeats, ({ data }) => {
        const heartbeat = decodeBusMessage<CommandServiceHeartbeat>(data, 'command_beat');
        this.#heard(heartbeat?.instance, heartbeat?.nowMs);
      }),
      this.#bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
        const heartbeat = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
        this.#heard(heartbeat?.owner, heartbeat?.nowMs);
      }),
    ];
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** Of each peer that was heard a moment ago: its wall clock less the monotonic clock of this process. */
  offsetsMs(): number[] {
    const sinceMs = this.#clock.monotonic() - FRESH_MS;
    const offsets: number[] = [];
    for (const [id, all] of this.#peers) {
      const fresh = all.filter(({ atMs }) => atMs >= sinceMs);
      if (fresh.length === 0) this.#peers.delete(id);
      else offsets.push(Math.max(...fresh.map(({ offsetMs }) => offsetMs)));
    }
    return offsets;
  }

  #heard(id: string | undefined, nowMs: number | undefined): void {
    if (id === undefined || nowMs === undefined || id === this.#self) return;
    const atMs = this.#clock.monotonic();
    const recent = (this.#peers.get(id) ?? []).slice(1 - REMEMBERED);
    this.#peers.set(id, [...recent, { atMs, offsetMs: nowMs - atMs }]);
  }
}
