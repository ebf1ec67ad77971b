import { AppError, type OrgId } from '@muster/protocol';

/** Whose share a reduction takes. */
export interface ReduceOwner {
  readonly org: OrgId;
  readonly operator: string;
}

export interface ReduceSlotLimits {
  /** Reductions that run at once; of one org; of one operator. */
  readonly concurrent: number;
  readonly perOrg: number;
  readonly perOperator: number;
  /** Requests that may wait; of one org; of one operator. */
  readonly waiting: number;
  readonly waitingPerOrg: number;
  readonly waitingPerOperator: number;
}

interface Waiting {
  readonly owner: ReduceOwner;
  /** A query's own reduce statement at its end. How many of those there are is bounded by the queries that may run. */
  readonly isOwn: boolean;
  readonly run: () => void;
}

/**
 * Shares the reductions that run at once among operators and orgs. Of those that wait, the first one whose org and operator have a share
 * left runs next, so that nobody waits for another one's backlog.
 */
export class ReduceSlots {
  readonly #limits: ReduceSlotLimits;
  readonly #running = new Set<ReduceOwner>();
  readonly #waiting = new Set<Waiting>();

  constructor(limits: ReduceSlotLimits) {
    this.#limits = limits;
  }

  /**
   * Resolves when it may run, with a function that gives the slot back.
   * @throws AppError `too_many_queries` with `scope` and `limit`; `reduce_failed` when the signal is aborted first.
   */
  async enter(
    owner: ReduceOwner,
    { isOwn, signal }: { readonly isOwn: boolean; readonly signal: AbortSignal },
  ): Promise<() => void> {
    // An object of its own for each reduction, since the caller's may be shared.
    const slot: ReduceOwner = { org: owner.org, operator: owner.operator };
    if (this.#hasShare(slot)) this.#running.add(slot);
    else {
      if (!isOwn) this.#checkWaiting(slot);
      await this.#wait(slot, isOwn, signal);
    }
    return () => {
      this.#running.delete(slot);
      this.#runNext();
    };
  }

  #wait(owner: ReduceOwner, isOwn: boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { owner, isOwn, run: () => finish(resolve) };
      const onAbort = (): void => finish(() => reject(new AppError('reduce_failed', String(signal.reason))));
      const finish = (settle: () => void): void => {
        this.#waiting.delete(waiting);
        signal.removeEventListener('abort', onAbort);
        settle();
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort);
      this.#waiting.add(waiting);
    });
  }

  #runNext(): void {
    for (const { owner, run } of this.#waiting) {
      if (!this.#hasShare(owner)) continue;
      this.#running.add(owner);
      return run();
    }
  }

  #hasShare(owner: ReduceOwner): boolean {
    const { concurrent, perOrg, perOperator } = this.#limits;
    const { all, org, operator } = count(this.#running, owner);
    return all < concurrent && org < perOrg && operator < perOperator;
  }

  #checkWaiting(owner: ReduceOwner): void {
    const { waiting, waitingPerOrg, waitingPerOperator } = this.#limits;
    const asked = [...this.#waiting].flatMap((one) => (one.isOwn ? [] : [one.owner]));
    const { all, org, operator } = count(asked, owner);
    if (operator >= waitingPerOperator) throw tooMany('operator', 'of yours', waitingPerOperator);
    if (org >= waitingPerOrg) throw tooMany('org', 'of your org', waitingPerOrg);
    if (all >= waiting) throw tooMany('service', 'of all', waiting);
  }
}

function count(owners: Iterable<ReduceOwner>, { org, operator }: ReduceOwner) {
  const counted = { all: 0, org: 0, operator: 0 };
  for (const owner of owners) {
    counted.all += 1;
    if (owner.org !== org) continue;
    counted.org += 1;
    if (owner.operator === operator) counted.operator += 1;
  }
  return counted;
}

function tooMany(scope: string, whose: string, limit: number): AppError {
  return new AppError('too_many_queries', `${limit} reduce statements ${whose} wait already; try again in a moment`, {
    details: { scope, limit, retryAfterMs: 2_000 },
  });
}
