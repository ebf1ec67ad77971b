import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, SUBJECTS, type LiveMessage } from '@muster/messages';
import type { Clock } from '@muster/runtime';

interface Heard {
  readonly atMs: number;
  readonly offsetMs: number;
}

/**
 * Whose heartbeats say what their clocks say, and under which name. Gateways are not asked: one that was taken over
 * could speak under many names.
 */
const PEERS = {
  query: { subject: SUBJECTS.coordinatorHeartbeats, kind: 'owner_beat', id: 'owner' },
  command: { subject: SUBJECTS.commandHeartbeats, kind: 'command_beat', id: 'instance' },
  posture: { subject: SUBJECTS.postureHeartbeats, kind: 'posture_beat', id: 'instance' },
} as const satisfies Record<string, { subject: string; kind: LiveMessage['t']; id: string }>;

export type PeerKind = keyof typeof PEERS;

/** What a peer said within this time counts. Heartbeats come every second. */
const FRESH_MS = 5_000;
/** Of one peer: more than it says in that time, unless all that it said meanwhile is read at once. */
const REMEMBERED = 16;

/**
 * What the clocks of other processes say, against the monotonic clock of this process: so it does not change when
 * the own clock is set. A heartbeat that is late makes its sender's clock look slow, so the fastest of a few counts.
 */
export class PeerClocks {
  readonly #bus: Pick<Bus, 'subscribe'>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #self: string;
  readonly #kinds: readonly PeerKind[];
  readonly #peers = new Map<string, readonly Heard[]>();
  #subscriptions: readonly BusSubscription[] = [];

  constructor(options: {
    readonly bus: Pick<Bus, 'subscribe'>;
    readonly clock: Pick<Clock, 'monotonic'>;
    /** The id of this process in its own heartbeats: they say nothing new. */
    readonly self: string;
    /** Whose heartbeats this service has the right to hear. */
    readonly kinds: readonly PeerKind[];
  }) {
    this.#bus = options.bus;
    this.#clock = options.clock;
    this.#self = options.self;
    this.#kinds = options.kinds;
  }

  start(): void {
    this.#subscriptions = this.#kinds.map((peer) => {
      const { subject, kind, id } = PEERS[peer];
      return this.#bus.subscribe(subject, ({ data }) => {
        // Sound: every heartbeat of these kinds has its sender, and the time where its version has it.
        const heartbeat = decodeBusMessage(data, kind) as Readonly<Record<string, unknown>> | undefined;
        this.#heard(heartbeat?.[id], heartbeat?.['nowMs']);
      });
    });
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

  #heard(id: unknown, nowMs: unknown): void {
    if (typeof id !== 'string' || typeof nowMs !== 'number' || id === this.#self) return;
    const atMs = this.#clock.monotonic();
    const recent = (this.#peers.get(id) ?? []).slice(1 - REMEMBERED);
    this.#peers.set(id, [...recent, { atMs, offsetMs: nowMs - atMs }]);
  }
}
