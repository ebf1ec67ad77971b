const LEAST = 64;

/**
 * Agent numbers in the order in which they came, in one array. Those that are not wanted any more stay in it until it
 * is their turn or there are more of them than of the others.
 */
export class NumberQueue {
  readonly #isWanted: (num: number) => boolean;
  #nums = new Float64Array(LEAST);
  #head = 0;
  #end = 0;

  constructor(isWanted: (num: number) => boolean) {
    this.#isWanted = isWanted;
  }

  /** `wanted`: how many there are now, with this one. */
  push(num: number, wanted: number): void {
    if (this.#end === this.#nums.length) this.#makeRoom(wanted);
    this.#nums[this.#end++] = num;
  }

  /**
   * Removes and returns the next one that is wanted; `undefined` when there is none. One that is in it twice comes
   * twice while it is wanted.
   */
  shift(): number | undefined {
    while (this.#head < this.#end) {
      const num = this.#nums[this.#head++] ?? 0;
      if (this.#isWanted(num)) return num;
    }
    this.#head = this.#end = 0;
    if (this.#nums.length > LEAST) this.#nums = new Float64Array(LEAST);
    return undefined;
  }

  /** Leaves out what is not wanted, and what comes twice, when that is half of it; otherwise takes a larger array. */
  #makeRoom(wanted: number): void {
    const waiting = this.#nums.subarray(this.#head, this.#end);
    const kept = waiting.length > 2 * wanted + LEAST ? [...new Set(waiting)].filter(this.#isWanted) : waiting;
    const larger = new Float64Array(Math.max(LEAST, 2 * kept.length));
    larger.set(kept);
    this.#nums = larger;
    this.#head = 0;
    this.#end = kept.length;
  }
}
