/** The rows with the largest values, the largest first; of equal ones those with the smaller number. */
export class TopRows<T> {
  readonly #limit: number;
  /** Sorted. */
  readonly #entries: { readonly value: number; readonly num: number; readonly row: T }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `make` is called only for a row that is kept for now. */
  offer(value: number, num: number, make: () => T): void {
    const last = this.#entries[this.#limit - 1];
    if (last !== undefined && !isBefore(value, num, last)) return;
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle] as { value: number; num: number };
      if (isBefore(value, num, entry)) high = middle;
      else low = middle + 1;
    }
    this.#entries.splice(low, 0, { value, num, row: make() });
    if (this.#entries.length > this.#limit) this.#entries.pop();
  }

  rows(): T[] {
    return this.#entries.map(({ row }) => row);
  }
}

function isBefore(value: number, num: number, other: { readonly value: number; readonly num: number }): boolean {
  return value > other.value || (value === other.value && num < other.num);
}
