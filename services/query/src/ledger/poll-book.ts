/** Endpoints that poll hear of a query when they next come: how many are waited for, and by when the last of them has come. */
export interface Polling {
  readonly waiting: number;
  /** Wall clock. */
  readonly answerByMs: number;
}

/** Those who are waited for and poll, by the index of the gateway that they come to. */
export class PollBook {
  readonly #waiting: number[] = [];
  readonly #dueMs: number[] = [];

  /** Somebody who polls is waited for at this gateway, or not any more. */
  count(gateway: number, change: 1 | -1): void {
    const waiting = (this.#waiting[gateway] ?? 0) + change;
    this.#waiting[gateway] = waiting;
    // What was due for them says nothing of those who come later.
    if (waiting === 0) this.#dueMs[gateway] = 0;
  }

  /** The last of them comes no sooner than then. */
  due(gateway: number, dueMs: number): void {
    this.#dueMs[gateway] = Math.max(this.dueAt(gateway), dueMs);
  }

  dueAt(gateway: number): number {
    return this.#dueMs[gateway] ?? 0;
  }

  /** `undefined` when nobody who polls is waited for. */
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
