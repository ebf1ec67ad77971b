import type { Principal } from './principal.js';

/** How many of something may be open at once, so that nobody takes all of it. */
export interface ShareBounds {
  readonly total: number;
  readonly perOrg: number;
  /** Of one token, or of one person of the identity provider. */
  readonly perOperator: number;
}

/** The bound that is reached. */
export type ReachedBound = 'operator' | 'org' | 'total';

type Holder = Pick<Principal, 'kind' | 'id' | 'org'>;

/** Counts what operators hold open, by operator and by org. */
export class Shares {
  readonly #bounds: ShareBounds;
  /** By org (`org`) and by operator (`org/kind/id`). */
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(bounds: ShareBounds) {
    this.#bounds = bounds;
  }

  /** The bound that keeps this operator from holding one more; `undefined` when nothing does. */
  reachedBy(holder: Holder): ReachedBound | undefined {
    const { perOperator, perOrg, total } = this.#bounds;
    if ((this.#held.get(operatorKey(holder)) ?? 0) >= perOperator) return 'operator';
    if ((this.#held.get(holder.org) ?? 0) >= perOrg) return 'org';
    return this.#total >= total ? 'total' : undefined;
  }

  take(holder: Holder): void {
    this.#change(holder, 1);
  }

  release(holder: Holder): void {
    this.#change(holder, -1);
  }

  #change(holder: Holder, by: 1 | -1): void {
    this.#total += by;
    for (const key of [holder.org, operatorKey(holder)]) {
      const count = (this.#held.get(key) ?? 0) + by;
      if (count > 0) this.#held.set(key, count);
      else this.#held.delete(key);
    }
  }
}

function operatorKey({ org, kind, id }: Holder): string {
  return `${org}/${kind}/${id}`;
}

/** For messages. Of the total nobody learns how many there are: they are those of all orgs. */
export const HOLDERS: Readonly<Record<ReachedBound, string>> = {
  operator: 'you have',
  org: 'your org has',
  total: 'this server has',
};
