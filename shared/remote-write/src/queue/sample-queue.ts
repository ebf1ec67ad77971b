import type { Series } from '../series/series.js';
import type { SampleBatch } from '../wire/sample-batch.js';

const FIRST_CAPACITY = 1_024;

/** First in, first out, of a bounded number of samples. It grows by doubling and costs 24 bytes a sample. */
export class SampleQueue {
  readonly #limit: number;
  #series: (Series | undefined)[];
  #timesMs: Float64Array;
  #values: Float64Array;
  #head = 0;
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
    const capacity = Math.min(limit, FIRST_CAPACITY);
    this.#series = Array.from({ length: capacity });
    this.#timesMs = new Float64Array(capacity);
    this.#values = new Float64Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** Time of the sample that waits longest; `undefined` without samples. */
  get oldestMs(): number | undefined {
    return this.#size === 0 ? undefined : this.#timesMs[this.#head];
  }

  /** Returns `displaced` when the queue was full and its oldest sample made room. */
  push(series: Series, timeMs: number, value: number): 'queued' | 'displaced' {
    const displaced = this.#size === this.#limit;
    if (displaced) {
      this.#head = (this.#head + 1) % this.#timesMs.length;
      this.#size -= 1;
    } else if (this.#size === this.#timesMs.length) this.#grow();
    const tail = (this.#head + this.#size) % this.#timesMs.length;
    this.#series[tail] = series;
    this.#timesMs[tail] = timeMs;
    this.#values[tail] = value;
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
      const from = (this.#head + index) % this.#timesMs.length;
      const one = this.#series[from];
      this.#series[from] = undefined;
      if (one !== undefined) series.push(one);
      timesMs[index] = this.#timesMs[from] ?? 0;
      values[index] = this.#values[from] ?? 0;
    }
    this.#head = (this.#head + length) % this.#timesMs.length;
    this.#size -= length;
    return { series, timesMs, values };
  }

  #grow(): void {
    const capacity = Math.min(this.#limit, 2 * this.#timesMs.length);
    const size = this.#size;
    const { series, timesMs, values } = this.take(size);
    this.#series = [...series, ...Array.from<undefined>({ length: capacity - size })];
    this.#timesMs = new Float64Array(capacity);
    this.#timesMs.set(timesMs);
    this.#values = new Float64Array(capacity);
    this.#values.set(values);
    this.#head = 0;
    this.#size = size;
  }
}
