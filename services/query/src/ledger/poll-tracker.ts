/** Waiting endpoints that poll, and when the last of them is due to have fetched the query. */
export interface Polling {
  readonly waiting: number;
  /** Wall clock. */
  readonly answerByMs: number;
}

/** Waiting endpoints that poll, by the index of their gateway. */
export class PollTracker {
  readonly #waiting: number[] = [];
  readonly #dueMs: number[] = [];

  /** One more, or one less, polling endpoint waits at this gateway. */
  count(gateway: number, change: 1 | -1): void {
    const waiting = (this.#waiting[gateway] ?? 0) + change;
    this.#waiting[gateway] = waiting;
    // The due time of those that left does not apply to those that come later.
    if (waiting === 0) this.#dueMs[gateway] = 0;
  }

  /** The last of them is due no sooner than this. */
  due(gateway: number, dueMs: number): void {
    this.#dueMs[gateway] = Math.max(this.dueAt(gateway), dueMs);
  }

  dueAt(gateway: number): number {
    return this.#dueMs[gateway] ?? 0;
  }

  summary(): Polling | undefined {
    let waiting = 0;
    let answerByMs = 0;
    this.#waiting.forEach((count, gateway) => {
      if (count === 0) return;
      waiting += count;
      answerByMs = Math.max(answerByMs, this.dueAt(gateway));
    });
    return waiting === 0 ? undefined : { waiting, answerByMs };
  }
}
