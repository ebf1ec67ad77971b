/** Numbers that depend only on the seed: sfc32, of Chris Doty-Humphrey's PractRand. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, salt = 0) {
    this.#a = seed >>> 0;
    this.#b = salt >>> 0;
    this.#c = 0x9e3779b9;
    for (let i = 0; i < 12; i += 1) this.#next();
  }

  /** From 0 up to 1. */
  unit(): number {
    return this.#next() / 0x1_0000_0000;
  }

  /** An integer from 0 to `below - 1`. */
  int(below: number): number {
    return Math.floor(this.unit() * below);
  }

  between(least: number, most: number): number {
    return least + this.unit() * (most - least);
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.int(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = this.#next() & 0xff;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }
}
