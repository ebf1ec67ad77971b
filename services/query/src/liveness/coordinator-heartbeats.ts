import type { Bus, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type CoordinatorHeartbeat,
  type QueryStart,
} from '@muster/messages';
import type { CoordinatorId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Clock, Timer } from '@muster/runtime';

export interface CoordinatorHeartbeatsOptions {
  readonly bus: Bus;
  readonly coordinatorId: CoordinatorId;
  readonly clock: Clock;
  readonly active: () => Iterable<ActiveQuery>;
  /** A heartbeat of this coordinator came back. */
  readonly onOwn?: () => void;
}

interface ActiveQuery {
  readonly record: QueryRecord;
  /** It was sent to the gateways and has not ended. */
  readonly running: boolean;
  startMessage(): QueryStart;
}

const HEARTBEAT_MS = 1_000;
/** Statements may be long: a heartbeat above this size is split into several messages. */
const MESSAGE_BYTES = 256 * 1024;

/** A coordinator that was not heard for this long is forgotten. */
const FORGET_MS = 600_000;

/**
 * Announces every second that this coordinator is alive and which queries it runs, and listens to the heartbeats of others. A gateway
 * that missed the start of a query learns of it here; coordinators learn which of them has gone silent.
 */
export class CoordinatorHeartbeats {
  readonly #options: CoordinatorHeartbeatsOptions;
  readonly #heardMs = new Map<CoordinatorId, number>();
  #subscription: BusSubscription | undefined;
  #timer: Timer | undefined;
  #stopping = false;

  constructor(options: CoordinatorHeartbeatsOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, clock, coordinatorId, onOwn = () => undefined } = this.#options;
    this.#subscription = bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
      const heartbeat = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
      if (heartbeat !== undefined) this.#heardMs.set(heartbeat.owner, clock.monotonic());
      if (heartbeat?.owner === coordinatorId) onOwn();
    });
    this.#timer = clock.setInterval(() => this.#send(), HEARTBEAT_MS);
    this.#send();
  }

  /** From now on the heartbeats say that this coordinator takes no more queries. */
  drain(): void {
    this.#stopping = true;
    this.#send();
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#subscription?.unsubscribe();
  }

  /** Time since a coordinator was last heard; `Infinity` when it never was. */
  silenceMs(coordinator: CoordinatorId): number {
    const heardMs = this.#heardMs.get(coordinator);
    return heardMs === undefined ? Number.POSITIVE_INFINITY : this.#options.clock.monotonic() - heardMs;
  }

  /** A coordinator answered a request: as good as a heartbeat. */
  heard(coordinator: CoordinatorId): void {
    this.#heardMs.set(coordinator, this.#options.clock.monotonic());
  }

  #send(): void {
    const { active, coordinatorId, clock } = this.#options;
    let queries: QueryStart[] = [];
    let operators: CoordinatorHeartbeat['operators'][number][] = [];
    let bytes = 0;
    let published = false;
    const publish = (): void => {
      const nowMs = clock.now();
      this.#publish({ t: 'owner_beat', owner: coordinatorId, queries, operators, stopping: this.#stopping, nowMs });
      queries = [];
      operators = [];
      bytes = 0;
      published = true;
    };
    for (const query of active()) {
      const { record } = query;
      // A query that has not begun is left out: nothing would take the gateways' updates.
      if (query.running) queries.push(query.startMessage());
      operators.push({ query: record.id, org: record.org, operator: record.operator });
      bytes += record.sql.length * 3 + record.scope.length + 1_024 + record.columns.join().length;
      if (bytes > MESSAGE_BYTES) publish();
    }
    if (operators.length > 0 || !published) publish();
    this.#forget();
  }

  #publish(heartbeat: CoordinatorHeartbeat): void {
    this.#options.bus.publish(SUBJECTS.coordinatorHeartbeats, encodeBusMessage(heartbeat));
  }

  #forget(): void {
    const nowMs = this.#options.clock.monotonic();
    for (const [coordinator, heardMs] of this.#heardMs)
      if (nowMs - heardMs > FORGET_MS) this.#heardMs.delete(coordinator);
  }
}
