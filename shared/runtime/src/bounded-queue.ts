export interface BoundedQueueOptions<T> {
  readonly maxItems: number;
  /** A second bound, over the sum of `weigh(item)`; usually bytes. */
  readonly maxWeight?: number;
  readonly weigh?: (item: T) => number;
}

/** What became of an item: `full` means that it was not taken, and the caller says what happens to it. */
export type PushResult = 'queued' | 'full';

/** First in, first out, with a bound. It never waits and never drops: a full queue refuses, by name. */
export class BoundedQueue<T> {
  readonly #maxItems: number;
  readonly #maxWeight: number;
  readonly #weigh: (item: T) => number;
  #items: T[] = [];
  #head = 0;
  #weight = 0;

  constructor({ maxItems, maxWeight = Number.POSITIVE_INFINITY, weigh = () => 0 }: BoundedQueueOptions<T>) {
    this.#maxItems = maxItems;
    this.#maxWeight = maxWeight;
    this.#weigh = weigh;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  get weight(): number {
    return this.#weight;
  }

  push(item: T): PushResult {
    const weight = this.#weigh(item);
    if (this.length >= this.#maxItems || this.#weight + weight > this.#maxWeight) return 'full';
    this.#items.push(item);
    this.#weight += weight;
    return 'queued';
  }

  /** Takes the oldest item out; `undefined` when there is none. */
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head] as T;
    this.#head += 1;
    this.#weight -= this.#weigh(item);
    // Moving the rest only once half is taken keeps `shift` O(1) on average; an Array's own shift is O(n).
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes everything out, oldest first. */
  drain(): T[] {
    const items = this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    this.#weight = 0;
    return items;
  }
}
