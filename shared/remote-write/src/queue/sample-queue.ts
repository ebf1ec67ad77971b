import type { Series } from '../series/series.js';
import type { SampleBatch } from '../wire/sample-batch.js';

const CHUNK_SAMPLES = 4_096;

/** Samples of about the same time. */
interface Chunk {
  readonly series: (Series | undefined)[];
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
}

/**
 * First in, first out, of a bounded number of samples. It takes 24 bytes a sample for what waits, in chunks: to grow
 * moves nothing, and what an outage of the store took is free after it.
 */
export class SampleQueue {
  readonly #limit: number;
  /** Oldest first. */
  readonly #chunks: Chunk[] = [];
  /** The place of the oldest sample in the first chunk. */
  #head = 0;
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  /** Time of the sample that waits longest; `undefined` without samples. */
  get oldestMs(): number | undefined {
    return this.#size === 0 ? undefined : this.#chunks[0]?.timesMs[this.#head];
  }

  /** Returns `displaced` when the queue was full and its oldest sample made room. */
  push(series: Series, timeMs: number, value: number): 'queued' | 'displaced' {
    const displaced = this.#size === this.#limit;
    if (displaced) this.#drop();
    const place = this.#head + this.#size;
    const chunk = this.#chunkAt(Math.floor(place / CHUNK_SAMPLES));
    const at = place % CHUNK_SAMPLES;
    chunk.series[at] = series;
    chunk.timesMs[at] = timeMs;
    chunk.values[at] = value;
    this.#size += 1;
    return displaced ? 'displaced' : 'queued';
  }

  /** Removes the oldest samples, at most `count`. */
  take(count: number): SampleBatch {
    const length = Math.min(count, this.#size);
    const series: Series[] = [];
    const timesMs = new Float64Array(length);
    const values = new Float64Array(length);
    for (let index = 0; index < length; index += 1) {
      const chunk = this.#chunkAt(0);
      const one = chunk.series[this.#head];
      if (one !== undefined) series.push(one);
      timesMs[index] = chunk.timesMs[this.#head] ?? 0;
      values[index] = chunk.values[this.#head] ?? 0;
      this.#drop();
    }
    return { series, timesMs, values };
  }

  /** Forgets the oldest sample. */
  #drop(): void {
    this.#chunkAt(0).series[this.#head] = undefined;
    this.#head += 1;
    this.#size -= 1;
    if (this.#head < CHUNK_SAMPLES) return;
    this.#head = 0;
    this.#chunks.shift();
  }

  #chunkAt(index: number): Chunk {
    let chunk = this.#chunks[index];
    if (chunk === undefined) {
      const [timesMs, values] = [new Float64Array(CHUNK_SAMPLES), new Float64Array(CHUNK_SAMPLES)];
      this.#chunks[index] = chunk = { series: Array.from({ length: CHUNK_SAMPLES }), timesMs, values };
    }
    return chunk;
  }
}
