import { decodeNumberSet } from './number-set.js';

const PAGE_BITS = 4_096;
const WORDS = PAGE_BITS / 32;

/**
 * Agent numbers as bits, in pages of 4,096: agents that enrolled together are on one page, and a number in the millions costs one page of
 * half a kilobyte. A look-up is a division and a shift.
 */
export class NumberBits {
  readonly #pages = new Map<number, Uint32Array>();
  #size = 0;

  /** Throws `RangeError` as {@link decodeNumberSet} does. */
  static decode(set: Uint8Array): NumberBits {
    const bits = new NumberBits();
    for (const num of decodeNumberSet(set)) bits.add(num);
    return bits;
  }

  get size(): number {
    return this.#size;
  }

  has(num: number): boolean {
    const page = this.#pages.get(Math.floor(num / PAGE_BITS));
    if (page === undefined) return false;
    const bit = num % PAGE_BITS;
    return (((page[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) === 1;
  }

  add(num: number): void {
    const key = Math.floor(num / PAGE_BITS);
    let page = this.#pages.get(key);
    if (page === undefined) {
      page = new Uint32Array(WORDS);
      this.#pages.set(key, page);
    }
    const bit = num % PAGE_BITS;
    const before = page[bit >>> 5] ?? 0;
    const after = (before | (1 << (bit & 31))) >>> 0;
    if (after === before) return;
    page[bit >>> 5] = after;
    this.#size += 1;
  }
}
