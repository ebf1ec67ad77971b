import { ByteWriter } from '@muster/protocol';
import { decodeNumberSet } from './number-set.js';

const PAGE_BITS = 4_096;
const WORDS = PAGE_BITS / 32;
const ALL = 0xffff_ffff;

/**
 * Agent numbers as bits, in pages of 4,096: agents that enrolled together are on one page, and a number in the millions costs one page of
 * half a kilobyte. A look-up is a division and a shift, and nothing is sorted to encode them.
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

  delete(num: number): void {
    if (!this.has(num)) return;
    const page = this.#pages.get(Math.floor(num / PAGE_BITS));
    const bit = num % PAGE_BITS;
    if (page !== undefined) page[bit >>> 5] = (page[bit >>> 5] ?? 0) & ~(1 << (bit & 31));
    this.#size -= 1;
  }

  /** The same bytes as `encodeNumberSet` gives for them. */
  encode(): Uint8Array {
    const out = new ByteWriter(Math.max(16, Math.min(2 * this.#size, 64 * 1024)));
    let end = 0;
    this.#forEachRun((from, to) => {
      out.varint(from - end);
      out.varint(to - from);
      end = to;
    });
    return out.view();
  }

  /** Neighbouring numbers, in rising order: the first, and one after the last. */
  #forEachRun(see: (from: number, to: number) => void): void {
    let from = -1;
    let reached = 0;
    for (const key of [...this.#pages.keys()].sort((a, b) => a - b)) {
      const page = this.#pages.get(key);
      if (page === undefined) continue;
      const first = key * PAGE_BITS;
      if (from >= 0 && first !== reached) {
        see(from, reached);
        from = -1;
      }
      for (let i = 0; i < WORDS; i += 1) {
        const word = page[i] ?? 0;
        if (from >= 0 ? word === ALL : word === 0) continue;
        // Each step goes to the next bit that differs from those before it.
        for (let bit = 0; bit < 32;) {
          const rest = (from >= 0 ? ~word : word) >>> bit;
          if (rest === 0) break;
          bit += trailingZeros(rest);
          const num = first + i * 32 + bit;
          if (from >= 0) see(from, num);
          from = from >= 0 ? -1 : num;
        }
      }
      reached = first + PAGE_BITS;
    }
    if (from >= 0) see(from, reached);
  }
}

const trailingZeros = (word: number): number => 31 - Math.clz32(word & -word);
