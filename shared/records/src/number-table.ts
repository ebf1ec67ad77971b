const PAGE_SHIFT = 7;
const PAGE = 1 << PAGE_SHIFT;
/** Pages of numbers below sixteen millions are found in an array, others in a map. */
const NEAR_PAGES = 1 << 17;

/**
 * A small integer for each of many agent numbers: a map without objects. The integers are in one array, in pages of 128
 * neighbouring numbers: four bytes each where numbers are dense, half a kilobyte for one that has no neighbours, so who
 * fills it bounds the numbers. 0 means that there is none.
 */
export class NumberTable {
  /** Where a page begins; 0 is no page. The first page of the array stays empty. */
  #near = new Int32Array(64);
  readonly #far = new Map<number, number>();
  #values = new Int32Array(2 * PAGE);
  #used = PAGE;
  #size = 0;

  /** How many numbers have an integer. */
  get size(): number {
    return this.#size;
  }

  /** 0 when there is none. */
  get(num: number): number {
    const page = Math.floor(num / PAGE);
    const start = page < NEAR_PAGES ? (this.#near[page] ?? 0) : (this.#far.get(page) ?? 0);
    return start === 0 ? 0 : (this.#values[start + (num & (PAGE - 1))] ?? 0);
  }

  /** From 1 to 2^31 − 1; 0 removes it. */
  set(num: number, value: number): void {
    const page = Math.floor(num / PAGE);
    let start = page < NEAR_PAGES ? (this.#near[page] ?? 0) : (this.#far.get(page) ?? 0);
    if (start === 0) {
      if (value === 0) return;
      start = this.#addPage(page);
    }
    const at = start + (num & (PAGE - 1));
    const before = this.#values[at] ?? 0;
    this.#values[at] = value;
    if (before === 0) this.#size += value === 0 ? 0 : 1;
    else if (value === 0) this.#size -= 1;
  }

  /**
   * Each number that has an integer, neighbours in rising order. It may be changed or removed meanwhile; of those that
   * are added, some are seen.
   */
  forEach(see: (num: number, value: number) => void): void {
    const seePage = (page: number, start: number): void => {
      for (let i = 0; i < PAGE; i += 1) {
        const value = this.#values[start + i] ?? 0;
        if (value !== 0) see(page * PAGE + i, value);
      }
    };
    for (let page = 0; page < this.#near.length; page += 1) {
      const start = this.#near[page] ?? 0;
      if (start !== 0) seePage(page, start);
    }
    for (const [page, start] of this.#far) seePage(page, start);
  }

  #addPage(page: number): number {
    const start = this.#used;
    this.#used += PAGE;
    if (this.#used > this.#values.length) this.#values = enlarged(this.#values, this.#used);
    if (page >= NEAR_PAGES) this.#far.set(page, start);
    else {
      if (page >= this.#near.length) this.#near = enlarged(this.#near, page + 1);
      this.#near[page] = start;
    }
    return start;
  }
}

function enlarged(array: Int32Array<ArrayBuffer>, least: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(least, array.length + (array.length >> 1)));
  larger.set(array);
  return larger;
}
