import type { StreamEvent, Subscription } from './protocol.js';

/** Subscriptions of one stream, as the API allows: `MAX_SUBSCRIPTIONS` of its contract. */
export const MOST_SUBSCRIPTIONS = 64;

/** Who follows something, under a key of its own. */
export interface Follower<R> {
  readonly reader: R;
  readonly key: string;
}

/** One subscription of the stream. Those that tell everybody the same are shared by all who follow it. */
export interface Followed<R> {
  readonly id: string;
  readonly subscription: Subscription;
  readonly followers: Set<Follower<R>>;
  /** The last event that was passed on. */
  after?: number | string | undefined;
  /** What who joins a shared one is told at once: the newest counts, or why there are none. */
  news?: StreamEvent | undefined;
  /** It was refused so often in a row, and is left out until its time has come. */
  refusals: number;
  isHeld: boolean;
}

/**
 * Kinds whose events need none of those before them. A query, a command or a chart is told from its own beginning to
 * each who follows it.
 */
const SHARED: ReadonlySet<string> = new Set(['queries', 'commands', 'fleet']);

/**
 * What all readers follow, as the subscriptions of one stream: equal ones once, and so many as the stream takes, those
 * that came first. What is beyond waits until there is room.
 */
export class SubscriptionSet<R> {
  /** In the order in which they are subscribed. */
  readonly #followed = new Map<string, Followed<R>>();
  readonly #isAway: (reader: R) => boolean;
  #ids = 0;

  /** `isAway`: of a reader who hears nothing now; what nobody else follows is left out until they are back. */
  constructor(isAway: (reader: R) => boolean) {
    this.#isAway = isAway;
  }

  get(id: string): Followed<R> | undefined {
    return this.#followed.get(id);
  }

  /** Adds a follower, to an equal subscription where there is one that can be shared. */
  follow(follower: Follower<R>, subscription: Subscription): Followed<R> {
    const shared = SHARED.has(subscription.kind) ? this.#equalTo(subscription) : undefined;
    if (shared !== undefined) {
      shared.followers.add(follower);
      return shared;
    }
    this.#ids += 1;
    const id = String(this.#ids);
    const made: Followed<R> = { id, subscription, followers: new Set([follower]), refusals: 0, isHeld: false };
    this.#followed.set(id, made);
    return made;
  }

  /** Ends what these follow; a subscription goes with its last follower. Returns whether they followed anything. */
  unfollow(matches: (follower: Follower<R>) => boolean): boolean {
    let isChanged = false;
    for (const one of this.#followed.values()) {
      for (const follower of one.followers) if (matches(follower)) isChanged = one.followers.delete(follower);
      if (one.followers.size === 0) this.#followed.delete(one.id);
    }
    return isChanged;
  }

  delete(id: string): void {
    this.#followed.delete(id);
  }

  /** To call before one that was left out counts again: others that came meanwhile keep their place. */
  moveToEnd(one: Followed<R>): void {
    if (!this.#followed.delete(one.id)) return;
    this.#followed.set(one.id, one);
  }

  of(reader: R): readonly Followed<R>[] {
    return [...this.#followed.values()].filter(({ followers }) => [...followers].some((one) => one.reader === reader));
  }

  /** What the stream should have now. */
  wanted(): readonly Followed<R>[] {
    return [...this.#followed.values()].filter((one) => this.#counts(one)).slice(0, MOST_SUBSCRIPTIONS);
  }

  #counts({ isHeld, followers }: Followed<R>): boolean {
    return !isHeld && [...followers].some(({ reader }) => !this.#isAway(reader));
  }

  #equalTo(subscription: Subscription): Followed<R> | undefined {
    const name = nameOf(subscription);
    return [...this.#followed.values()].find((one) => nameOf(one.subscription) === name);
  }
}

function nameOf(subscription: Subscription): string {
  return JSON.stringify(Object.entries(subscription).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
