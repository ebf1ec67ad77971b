import type { Bus } from '@muster/bus';
import { encodeBusMessage, SUBJECTS, type CoordinatorHeartbeat, type QueryStart } from '@muster/messages';
import type { CoordinatorId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Clock, Timer } from '@muster/runtime';
import { serviceVersion } from '@muster/service-base';

export interface CoordinatorHeartbeatsOptions {
  readonly bus: Bus;
  readonly coordinatorId: CoordinatorId;
  readonly clock: Clock;
  readonly active: () => Iterable<ActiveQuery>;
  /** Gateways ask for the terms of those that they do not know. */
  readonly hunts?: () => Iterable<ActiveHunt>;
}

interface ActiveHunt {
  readonly record: Pick<QueryRecord, 'id'>;
  readonly announced: boolean;
  readonly revision: number;
}

interface ActiveQuery {
  readonly record: QueryRecord;
  /** It was sent to the gateways and has not ended, and this process knows that it is still its own. */
  readonly announced: boolean;
  startMessage(): QueryStart;
}

type Hunts = NonNullable<CoordinatorHeartbeat['hunts']>;

const HEARTBEAT_MS = 1_000;
/** Statements may be long: a heartbeat above this size is split into several messages. */
const MESSAGE_BYTES = 256 * 1024;

/**
 * Announces every second that this coordinator is alive and which queries it runs. A gateway that missed the start of a query learns of
 * it here; who watches coordinators learns which of them has gone silent.
 */
export class CoordinatorHeartbeats {
  readonly #options: CoordinatorHeartbeatsOptions;
  #timer: Timer | undefined;
  #stopping = false;

  constructor(options: CoordinatorHeartbeatsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.#send(), HEARTBEAT_MS);
    this.#send();
  }

  /** From now on the heartbeats say that this coordinator takes no more queries. */
  drain(): void {
    this.#stopping = true;
    this.#send();
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  #send(): void {
    const { active, coordinatorId, clock } = this.#options;
    let queries: QueryStart[] = [];
    let operators: CoordinatorHeartbeat['operators'][number][] = [];
    let bytes = 0;
    let published = false;
    const publish = (hunts: Hunts = []): void => {
      const [nowMs, version] = [clock.now(), serviceVersion()];
      const named = { queries, operators, ...(hunts.length === 0 ? {} : { hunts }) };
      this.#publish({
        t: 'owner_beat',
        owner: coordinatorId,
        ...named,
        stopping: this.#stopping,
        ...{ nowMs, version },
      });
      queries = [];
      operators = [];
      bytes = 0;
      published = true;
    };
    for (const query of active()) {
      const { record } = query;
      // A query that has not begun is left out: nothing would take the gateways' updates.
      if (query.announced) queries.push(query.startMessage());
      operators.push({ query: record.id, org: record.org, operator: record.operator });
      bytes +=
        record.sql.length * 3 +
        record.scope.length +
        (record.among?.length ?? 0) +
        1_024 +
        record.columns.join().length;
      if (bytes > MESSAGE_BYTES) publish();
    }
    const hunts = this.#hunts();
    if (operators.length > 0 || hunts.length > 0 || !published) publish(hunts);
  }

  #hunts(): Hunts {
    const announced = [...(this.#options.hunts?.() ?? [])].filter((hunt) => hunt.announced);
    return announced.map(({ record, revision }) => [record.id, revision] as const);
  }

  #publish(heartbeat: CoordinatorHeartbeat): void {
    this.#options.bus.publish(SUBJECTS.coordinatorHeartbeats, encodeBusMessage(heartbeat));
  }
}
