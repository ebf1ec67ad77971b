/** An endpoint that wants to send more than its first credit allows. */
export interface CreditTaker {
  /** What the pool has granted so far, in bytes. Kept by the pool. */
  granted: number;
  /** Sends the grant to the endpoint. */
  grant(bytes: number): void;
}

/**
 * The memory for answers that are not complete yet, shared by all queries. Every asked endpoint starts with a small credit of its own. One
 * that needs more waits here for its turn, first come first served, and then gets enough for the largest answer. So an endpoint that was
 * served can finish, none waits for ever, and the memory of the gateway is bounded however many answer at once.
 */
export class CreditPool {
  readonly #limitBytes: number;
  /** The largest answer. */
  readonly #stepBytes: number;
  readonly #queue = new Set<CreditTaker>();
  #used = 0;

  constructor(options: { readonly limitBytes: number; readonly stepBytes: number }) {
    this.#limitBytes = options.limitBytes;
    this.#stepBytes = options.stepBytes;
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** The first credit for each of `count` endpoints that are asked at once. */
  initialFor(count: number): number {
    const share = Math.floor(this.#limitBytes / Math.max(1, count));
    return Math.max(8 * 1024, Math.min(256 * 1024, share));
  }

  /** Grants one step now or when memory is free. Asking again while waiting changes nothing. */
  request(taker: CreditTaker): void {
    this.#queue.add(taker);
    this.#serve();
  }

  /** The taker has finished: its memory is free again. */
  release(taker: CreditTaker): void {
    this.#queue.delete(taker);
    this.#used -= taker.granted;
    taker.granted = 0;
    this.#serve();
  }

  #serve(): void {
    for (const taker of this.#queue) {
      if (this.#used + this.#stepBytes > this.#limitBytes) return;
      this.#queue.delete(taker);
      taker.granted += this.#stepBytes;
      this.#used += this.#stepBytes;
      taker.grant(this.#stepBytes);
    }
  }
}
