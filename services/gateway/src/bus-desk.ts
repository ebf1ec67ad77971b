import type { Bus, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  SUBJECTS,
  type CoordinatorHeartbeat,
  type QueryStart,
  type QueryStop,
} from '@muster/messages';
import type { QueryHandler } from './capabilities/queries/query-handler.js';

/** Hears what owners of queries say to all gateways. */
export class BusDesk {
  readonly #bus: Bus;
  readonly #queries: QueryHandler;
  readonly #checkLease: () => void;
  #subscriptions: BusSubscription[] = [];

  constructor(options: { readonly bus: Bus; readonly queries: QueryHandler; readonly checkLease: () => void }) {
    this.#bus = options.bus;
    this.#queries = options.queries;
    this.#checkLease = options.checkLease;
  }

  start(): void {
    this.#subscriptions = [
      this.#bus.subscribe(SUBJECTS.gateways, ({ data }) => {
        this.#checkLease();
        const message = decodeBusMessage<QueryStart | QueryStop>(data, 'query_start', 'query_stop');
        if (message?.t === 'query_start') this.#queries.queryStarted(message, false);
        else if (message?.t === 'query_stop') this.#queries.queryStopped(message);
      }),
      this.#bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
        this.#checkLease();
        const beat = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
        if (beat !== undefined) this.#queries.coordinatorHeartbeat(beat);
      }),
    ];
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }
}
