import { decodeNumbersThrough } from '@muster/records';

/**
 * Keeps out the numbers that no endpoint has. Ledgers are arrays over numbers, so a gateway that was taken over could
 * fill the memory with a few bytes: a run of ten millions, or numbers that are far from each other.
 */
export class EnrollableNumbers {
  readonly #highest: () => number;
  #refused = 0;

  /** `highest`: no endpoint has a higher number now. */
  constructor(highest: () => number) {
    this.#highest = highest;
  }

  /** How many were kept out. */
  get refused(): number {
    return this.#refused;
  }

  /** The numbers of a set without the others. Throws as `decodeNumberSet` does. */
  decode(set: Uint8Array): number[] {
    const { numbers, above } = decodeNumbersThrough(set, this.#highest());
    this.#refused += above;
    return numbers;
  }

  has(num: number): boolean {
    const isPossible = Number.isSafeInteger(num) && num >= 0 && num <= this.#highest();
    if (!isPossible) this.#refused += 1;
    return isPossible;
  }
}
