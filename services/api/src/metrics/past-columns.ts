import type { HistoryKind, Shape } from '@muster/host-metrics';
import type { SampleView } from './endpoint-past.js';
import { timeText } from './metrics-json.js';
import { NumberText } from './number-text.js';
import { hasSameNames } from './same-names.js';

/**
 * Numbers of one event. More of them are several events, so that an endpoint with very many disks and processors takes
 * no more memory at once.
 */
const MAX_NUMBERS = 262_144;
/** All that is kept of a kind. */
const MAX_SAMPLES = { seconds: 720, minutes: 1_440 };

/**
 * Room for the numbers of one event and their text, for all viewers of a process: an event is made in one turn, and
 * half a megabyte for each of them is what the garbage collector would have to look for.
 */
export class ColumnScratch {
  readonly text = new NumberText();
  #numbers = new Float64Array(0);

  /** All 0. */
  take(length: number): Float64Array {
    if (length > this.#numbers.length) return (this.#numbers = new Float64Array(length));
    return this.#numbers.fill(0, 0, length);
  }
}

/** Makes `past` events: many samples of one shape, column by column, each number by its difference from the one before. */
export class PastColumns {
  readonly #kind: HistoryKind;
  readonly #scratch: ColumnScratch;
  #shape: Shape | undefined;
  #capacity = 0;
  /** Times of the samples. */
  #times: number[] = [];
  /** Column after column, each with room for `capacity` samples; `NaN` is absent. */
  #numbers: Float64Array = new Float64Array(0);
  #last = new Float64Array(0);
  #changes = new Uint8Array(0);

  /** Nothing may be awaited or yielded between the first `add` and `finish`. */
  constructor(kind: HistoryKind, scratch: ColumnScratch) {
    this.#kind = kind;
    this.#scratch = scratch;
  }

  /** Of the samples since the last `finish`; undefined when there are none. */
  get shape(): Shape | undefined {
    return this.#times.length === 0 ? undefined : this.#shape;
  }

  /** Whether this sample can be in the same event. */
  fits({ shape }: SampleView): boolean {
    if (this.#times.length === 0) return true;
    return this.#times.length < this.#capacity && this.#isSame(shape);
  }

  add({ atMs, shape, values }: SampleView): void {
    if (this.#times.length === 0) this.#begin(shape);
    const [numbers, last, changes] = [this.#numbers, this.#last, this.#changes];
    const capacity = this.#capacity;
    for (let i = 0, at = this.#times.length; i < values.length; i += 1, at += capacity) {
      const value = values[i] as number;
      const before = last[i] as number;
      if (value === before) continue;
      if (Number.isNaN(value)) {
        numbers[at] = value;
        if (!Number.isNaN(before)) changes[i] = 1;
      } else {
        numbers[at] = Number.isNaN(before) ? value : value - before;
        changes[i] = 1;
      }
      last[i] = value;
    }
    if (this.#times.length === 0) changes.fill(0);
    this.#times.push(atMs);
  }

  /** The event as JSON, and its id. At least one sample was added. */
  finish(): { readonly json: Uint8Array; readonly id: number | null } {
    const times = this.#times;
    const [first = 0] = times;
    const id = this.#kind === 'seconds' ? (times.at(-1) ?? 0) : null;
    const stepsMs = times.map((atMs, i) => atMs - (times[i - 1] ?? atMs));
    const head = { event: 'past', seq: id, kind: this.#kind, at: timeText(first), stepsMs };
    const out = this.#scratch.text;
    out.text(`${JSON.stringify(head).slice(0, -1)},"columns":[`);
    for (let i = 0; i < this.#changes.length; i += 1) {
      if (i > 0) out.text(',');
      this.#column(out, i);
    }
    out.text(']}');
    this.#times = [];
    return { json: out.finish(), id };
  }

  #column(out: NumberText, i: number): void {
    const from = i * this.#capacity;
    const count = this.#changes[i] === 1 ? this.#times.length : 1;
    if (count > 1) out.text('[');
    out.numbers(this.#numbers, from, from + count);
    if (count > 1) out.text(']');
  }

  #begin(shape: Shape): void {
    const most = this.#kind === 'seconds' ? MAX_SAMPLES.seconds : MAX_SAMPLES.minutes;
    this.#capacity = Math.max(1, Math.min(most, Math.floor(MAX_NUMBERS / Math.max(1, shape.length))));
    this.#numbers = this.#scratch.take(shape.length * this.#capacity);
    this.#shape = shape;
    this.#last = new Float64Array(shape.length);
    this.#changes = new Uint8Array(shape.length);
  }

  #isSame(shape: Shape): boolean {
    if (shape === this.#shape) return true;
    if (this.#shape === undefined || !hasSameNames(shape, this.#shape)) return false;
    this.#shape = shape;
    return true;
  }
}
