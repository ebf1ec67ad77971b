const FIRST_BYTES = 4 * 1024;

/**
 * The chunks of one answer, one after the other, in one buffer that doubles. With an object per chunk, an agent that sends one byte at a
 * time would take hundreds of times the memory that its credit stands for.
 */
export class ByteStore {
  #buffer = new Uint8Array(0);
  #length = 0;

  /** Copies `chunk`. */
  add(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#buffer.length, FIRST_BYTES));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
  }

  /** A view of everything so far; good until the next chunk. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
}
