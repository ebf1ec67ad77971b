import { GROUP_METRICS, GROUPS, HOST_METRICS, type Shape } from '@muster/host-metrics';
import type { Reading } from '../contract/host-reader.js';

export const MINUTE_MS = 60_000;

export interface Minute {
  readonly shape: Shape;
  /** Its end; where the shape changed within a minute, the moment of the change. */
  readonly atMs: number;
  readonly mean: Float64Array;
  readonly lowest: Float64Array;
  readonly highest: Float64Array;
}

/**
 * Summarizes readings, minute by minute. Of counters it takes the growth per second; where one went back, nothing is
 * known of that second.
 */
export class MinuteSummary {
  #shape: Shape | undefined;
  #isCounter: Uint8Array = new Uint8Array();
  #before: Float64Array = new Float64Array();
  #beforeMs = 0;
  #endMs = 0;
  #count: Uint32Array = new Uint32Array();
  #sum: Float64Array = new Float64Array();
  #lowest: Float64Array = new Float64Array();
  #highest: Float64Array = new Float64Array();

  /** Returns the minute that ended before this reading. The times of readings never go back. */
  add({ shape, values }: Reading, atMs: number): Minute | undefined {
    const isOther = this.#shape !== shape;
    const ended = this.#shape !== undefined && (isOther || atMs >= this.#endMs) ? this.#end(atMs) : undefined;
    if (isOther) this.#begin(shape, values, atMs);
    else if (ended !== undefined) this.#clear(atMs);
    this.#accumulate(values, (atMs - this.#beforeMs) / 1_000);
    this.#before = values;
    this.#beforeMs = atMs;
    return ended;
  }

  #begin(shape: Shape, values: Float64Array, atMs: number): void {
    this.#shape = shape;
    this.#isCounter = countersOf(shape);
    this.#before = values;
    this.#beforeMs = atMs;
    this.#clear(atMs);
  }

  #clear(atMs: number): void {
    const length = this.#isCounter.length;
    this.#endMs = (Math.floor(atMs / MINUTE_MS) + 1) * MINUTE_MS;
    this.#count = new Uint32Array(length);
    this.#sum = new Float64Array(length);
    this.#lowest = new Float64Array(length).fill(Number.NaN);
    this.#highest = new Float64Array(length).fill(Number.NaN);
  }

  #accumulate(values: Float64Array, seconds: number): void {
    for (let i = 0; i < values.length; i += 1) {
      let value = values[i] as number;
      if (this.#isCounter[i] === 1) value = (value - (this.#before[i] as number)) / seconds;
      // Also what was absent, and a growth within no time.
      if (!Number.isFinite(value) || (this.#isCounter[i] === 1 && value < 0)) continue;
      const count = (this.#count[i] as number) + 1;
      this.#count[i] = count;
      this.#sum[i] = (this.#sum[i] as number) + value;
      if (count === 1 || value < (this.#lowest[i] as number)) this.#lowest[i] = value;
      if (count === 1 || value > (this.#highest[i] as number)) this.#highest[i] = value;
    }
  }

  #end(atMs: number): Minute | undefined {
    if (this.#shape === undefined) return undefined;
    return {
      shape: this.#shape,
      atMs: Math.min(atMs, this.#endMs),
      mean: this.#sum.map((sum, i) => Math.round(sum / (this.#count[i] as number))),
      lowest: this.#lowest.map((value) => Math.round(value)),
      highest: this.#highest.map((value) => Math.round(value)),
    };
  }
}

/** 1 where a value of the shape is that of a counter. */
function countersOf(shape: Shape): Uint8Array {
  const kinds = [
    ...HOST_METRICS,
    ...GROUPS.flatMap((group) => shape.names[group].flatMap(() => GROUP_METRICS[group])),
  ].map(({ kind }) => kind);
  return Uint8Array.from(kinds, (kind) => (kind === 'counter' ? 1 : 0));
}
