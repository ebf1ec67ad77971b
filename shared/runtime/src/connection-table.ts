import { AddressRanking } from './address-ranking.js';

/** How many connections a listener holds. Above a bound an older connection makes room, or the new one is refused. */
export interface ConnectionBounds {
  readonly total: number;
  /** Of one address (IPv6: one /64 network). Trusted proxies, behind which many clients share one address, are not bounded by it. */
  readonly perAddress: number;
  /** Of those that have carried no request with valid credentials. */
  readonly unproven: number;
}

/** One connection of a {@link ConnectionTable}. */
export interface TrackedConnection {
  readonly address: string;
  /** The peer is a trusted proxy: its first request proves it. */
  readonly isProxy: boolean;
  readonly close: () => void;
}

interface State {
  proven: boolean;
  /** Requests that are being answered. */
  requests: number;
}

/** Why a connection was closed or refused: the bound that was reached. */
export type BoundName = 'address' | 'unproven' | 'total';

export interface AdmitResult {
  readonly admitted: boolean;
  /** Connections that were closed to make room, by the bound that asked for it. */
  readonly evicted: readonly BoundName[];
  /** The bound for which the connection was refused. */
  readonly refusedBy?: BoundName;
}

/** At this share of `total` in use by proven callers the listener says that it is full. */
const FULL_SHARE = 0.95;

/**
 * Which connections are open, and which one makes room for the next.
 *
 *     silent ──request──▶ asking ──credentials──▶ busy ──answered──▶ idle
 *        ▲                  │                      ▲                   │
 *        └──── answered ────┘                      └───── request ─────┘
 *
 * Room is made by the oldest connection of the address that has the most: silent ones first, then idle, then asking ones. A busy connection
 * is never closed. So who fills the listener with silence pays with connections of their own.
 */
export class ConnectionTable<C extends TrackedConnection> {
  readonly #bounds: ConnectionBounds;
  readonly #open = new Map<C, State>();
  readonly #countOf = new Map<string, number>();
  readonly #silent = new AddressRanking<C>();
  readonly #asking = new AddressRanking<C>();
  readonly #idle = new AddressRanking<C>();

  constructor(bounds: ConnectionBounds) {
    this.#bounds = bounds;
  }

  /** How many connections are open, by state. */
  get counts() {
    const [silent, asking, idle] = [this.#silent.size, this.#asking.size, this.#idle.size];
    return { silent, asking, idle, busy: this.#open.size - silent - asking - idle };
  }

  get isFull(): boolean {
    return this.counts.busy >= this.#bounds.total * FULL_SHARE;
  }

  /** The address with the most silent connections. */
  get heaviest(): AddressRanking<C>['heaviest'] {
    return this.#silent.heaviest;
  }

  connections(): Iterable<C> {
    return this.#open.keys();
  }

  /** Takes a new connection. Closes others when a bound is reached. */
  admit(connection: C): AdmitResult {
    const { address, isProxy } = connection;
    const { total, perAddress, unproven } = this.#bounds;
    const evicted: BoundName[] = [];
    const makeRoom = (bound: BoundName, victim: C | undefined): boolean => {
      if (victim === undefined) return false;
      evicted.push(bound);
      this.remove(victim);
      victim.close();
      return true;
    };
    if (!isProxy && this.#count(address) >= perAddress && !makeRoom('address', this.#oldestOf(address))) {
      return { admitted: false, evicted, refusedBy: 'address' };
    }
    if (this.#silent.size + this.#asking.size >= unproven) {
      makeRoom('unproven', this.#silent.oldestOfHeaviest() ?? this.#asking.oldestOfHeaviest());
    }
    if (this.#open.size >= total && !makeRoom('total', this.#oldestOfHeaviest())) {
      return { admitted: false, evicted, refusedBy: 'total' };
    }
    this.#open.set(connection, { proven: false, requests: 0 });
    this.#countOf.set(address, this.#count(address) + 1);
    this.#silent.add(connection);
    return { admitted: true, evicted };
  }

  /** A request has arrived: its head is complete. */
  began(connection: C): void {
    this.#change(connection, (state) => {
      state.requests += 1;
      if (connection.isProxy) state.proven = true;
    });
  }

  /** The answer to a request has been sent, or its connection is gone. */
  ended(connection: C): void {
    this.#change(connection, (state) => (state.requests -= 1));
  }

  /** A request had valid credentials. */
  prove(connection: C): void {
    this.#change(connection, (state) => (state.proven = true));
  }

  /** The connection is closed. */
  remove(connection: C): void {
    const state = this.#open.get(connection);
    if (state === undefined) return;
    this.#groupOf(state)?.delete(connection);
    this.#open.delete(connection);
    const left = this.#count(connection.address) - 1;
    if (left > 0) this.#countOf.set(connection.address, left);
    else this.#countOf.delete(connection.address);
  }

  #change(connection: C, change: (state: State) => void): void {
    const state = this.#open.get(connection);
    if (state === undefined) return;
    const before = this.#groupOf(state);
    change(state);
    const after = this.#groupOf(state);
    if (before === after) return;
    before?.delete(connection);
    after?.add(connection);
  }

  #groupOf({ proven, requests }: State): AddressRanking<C> | undefined {
    if (proven) return requests > 0 ? undefined : this.#idle;
    return requests > 0 ? this.#asking : this.#silent;
  }

  #count(address: string): number {
    return this.#countOf.get(address) ?? 0;
  }

  #oldestOf(address: string): C | undefined {
    return this.#silent.oldestOf(address) ?? this.#idle.oldestOf(address) ?? this.#asking.oldestOf(address);
  }

  #oldestOfHeaviest(): C | undefined {
    return this.#silent.oldestOfHeaviest() ?? this.#idle.oldestOfHeaviest() ?? this.#asking.oldestOfHeaviest();
  }
}
