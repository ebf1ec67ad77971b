interface Waiter {
  readonly seq: number;
  readonly settle: (reached: boolean) => void;
}

/** Promises that resolve when a sequence number has passed. They arrive nearly in order, so sorting is cheap. */
export class SequenceWaiters {
  #passed = 0;
  #ended = false;
  readonly #waiting: Waiter[] = [];

  /** The highest sequence that has passed. */
  get highest(): number {
    return this.#passed;
  }

  reached(seq: number): Promise<boolean> {
    if (seq <= this.#passed) return Promise.resolve(true);
    if (this.#ended) return Promise.resolve(false);
    return new Promise((settle) => {
      let at = this.#waiting.length;
      while (at > 0 && (this.#waiting[at - 1]?.seq ?? 0) > seq) at -= 1;
      this.#waiting.splice(at, 0, { seq, settle });
    });
  }

  pass(seq: number): void {
    this.#passed = Math.max(this.#passed, seq);
    while ((this.#waiting[0]?.seq ?? Number.POSITIVE_INFINITY) <= this.#passed) this.#waiting.shift()?.settle(true);
  }

  /** Sequences refer to other entries from now on: all waiting promises resolve with false. */
  reset(): void {
    this.#passed = 0;
    for (const { settle } of this.#waiting.splice(0)) settle(false);
  }

  end(): void {
    this.#ended = true;
    for (const { settle } of this.#waiting.splice(0)) settle(false);
  }
}
