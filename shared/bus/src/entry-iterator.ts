import type { Entry } from './stream-store.js';

/**
 * The entries of batches, one by one. An entry that is there costs one promise; another generator around the batches
 * would make several for each, which is a fifth of a start that reads 200,000.
 */
export class EntryIterator implements AsyncIterator<Entry, void, undefined> {
  readonly #batches: AsyncGenerator<readonly Entry[], void, undefined>;
  readonly #signal: AbortSignal | undefined;
  #batch: readonly Entry[] = [];
  #taken = 0;
  #isEnded = false;

  constructor(batches: AsyncGenerator<readonly Entry[], void, undefined>, signal?: AbortSignal) {
    this.#batches = batches;
    this.#signal = signal;
  }

  next(): Promise<IteratorResult<Entry, void>> {
    const value = this.#batch[this.#taken];
    if (value === undefined || this.#signal?.aborted === true || this.#isEnded) return this.#refill();
    this.#taken += 1;
    return Promise.resolve({ done: false, value });
  }

  async return(): Promise<IteratorResult<Entry, void>> {
    this.#isEnded = true;
    await this.#batches.return();
    return { done: true, value: undefined };
  }

  async #refill(): Promise<IteratorResult<Entry, void>> {
    const { done, value: batch } = await this.#batches.next();
    const first = batch?.[0];
    if (done === true || first === undefined) return { done: true, value: undefined };
    this.#batch = batch ?? [];
    this.#taken = 1;
    return { done: false, value: first };
  }
}
