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
  readonly ownerId: CoordinatorId;
  readonly clock: Clock;
  /** The queries that are here now. */
  readonly active: () => Iterable<ActiveQuery>;
}

interface ActiveQuery {
  readonly record: QueryRecord;
  /** Gateways were asked, and nobody has ended it. */
  readonly running: boolean;
  startMessage(): QueryStart;
}

export const BEAT_MS = 1_000;
/** Statements may be long and a message is not; a beat is said in as many messages as it takes. */
const BEAT_BYTES = 256 * 1024;

/**
 * Says every second that this owner lives and what it runs, and hears the same of others. A gateway that missed the start of a query
 * learns of it here; owners learn who has gone silent.
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
    const { bus, clock } = this.#options;
    this.#subscription = bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
      const beat = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
      if (beat !== undefined) this.#heardMs.set(beat.owner, clock.monotonic());
    });
    this.#timer = clock.setInterval(() => this.#beat(), BEAT_MS);
    this.#beat();
  }

  /** From now on the beats say that this owner takes no more queries. */
  drain(): void {
    this.#stopping = true;
    this.#beat();
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#subscription?.unsubscribe();
  }

  /** For how long nothing was heard of an owner; `Infinity` when nothing ever was. */
  silenceMs(owner: CoordinatorId): number {
    const heardMs = this.#heardMs.get(owner);
    return heardMs === undefined ? Number.POSITIVE_INFINITY : this.#options.clock.monotonic() - heardMs;
  }

  /** An owner answered a question: as good as a beat. */
  heard(owner: CoordinatorId): void {
    this.#heardMs.set(owner, this.#options.clock.monotonic());
  }

  #beat(): void {
    const { active, ownerId } = this.#options;
    let queries: QueryStart[] = [];
    let operators: CoordinatorHeartbeat['operators'][number][] = [];
    let bytes = 0;
    let said = false;
    const say = (): void => {
      this.#publish({ t: 'owner_beat', owner: ownerId, queries, operators, stopping: this.#stopping });
      queries = [];
      operators = [];
      bytes = 0;
      said = true;
    };
    for (const query of active()) {
      const { record } = query;
      // A gateway that learned of one before it has begun would report to nobody.
      if (query.running) queries.push(query.startMessage());
      operators.push({ query: record.id, org: record.org, operator: record.operator });
      bytes += record.sql.length * 3 + record.scope.length + 1_024 + record.columns.join().length;
      if (bytes > BEAT_BYTES) say();
    }
    if (operators.length > 0 || !said) say();
    this.#forget();
  }

  #publish(beat: CoordinatorHeartbeat): void {
    this.#options.bus.publish(SUBJECTS.coordinatorHeartbeats, encodeBusMessage(beat));
  }

  #forget(): void {
    const nowMs = this.#options.clock.monotonic();
    for (const [owner, heardMs] of this.#heardMs) if (nowMs - heardMs > 600_000) this.#heardMs.delete(owner);
  }
}
