import { HOST_METRICS, makeShape, moveHistory, type Sample, type Shape } from '@muster/host-metrics';
import type { Reading } from '../contract/host-reader.js';
import { CpuUtilization } from '../cpu-utilization.js';
import { type Minute, MINUTE_MS, MinuteSummary } from './minute-summary.js';
import { PieceRing } from './piece-ring.js';

export interface HostHistoryOptions {
  /** The clock of the endpoint, Unix milliseconds; it may be set. */
  readonly now: () => number;
  /** Milliseconds since any moment, those in which the machine slept included; never goes back. */
  readonly elapsedMs: () => number;
}

const SECONDS_KEEP_MS = 600_000;
const MINUTES_KEEP_MS = 24 * 60 * MINUTE_MS;
const SECONDS_BYTES = 1_200_000;
const MINUTES_BYTES = 900_000;
/** Machines with more processors keep no minutes of each. */
const MINUTES_CORES = 16;
/** A smaller difference between the clocks is that of their resolution. */
const SAME_CLOCK_MS = 100;

/**
 * The last ten minutes at one reading a second, and a day of minutes: encoded, in at most four megabytes.
 *
 * Readings are kept by elapsed time. What they say of the endpoint's clock is made when they are asked for: after the
 * clock was set, the whole past is told by the clock as it is now, so it stays in order.
 */
export class HostHistory {
  readonly #options: HostHistoryOptions;
  /** Elapsed time and this make the time by which readings are kept: that of the clock when the agent started. */
  readonly #startMs: number;
  readonly #seconds = new PieceRing({ kind: 'seconds', keepMs: SECONDS_KEEP_MS, maxBytes: SECONDS_BYTES });
  readonly #mean = minuteRing('mean');
  readonly #lowest = minuteRing('lowest');
  readonly #highest = minuteRing('highest');
  readonly #summary = new MinuteSummary();
  readonly #utilization = new CpuUtilization();
  readonly #withoutCores = new WithoutCores();
  #seq = 0;
  #minutes = 0;
  #lastMs = 0;

  constructor(options: HostHistoryOptions) {
    this.#options = options;
    this.#startMs = options.now() - options.elapsedMs();
  }

  /** Bytes of what is kept. */
  get bytes(): number {
    return [this.#seconds, this.#mean, this.#lowest, this.#highest].reduce((sum, ring) => sum + ring.bytes, 0);
  }

  /** Called once a second. Sets the utilization of the second; the values must not change afterwards. */
  add(reading: Reading): void {
    const atMs = this.#time();
    this.#utilization.complete(reading.values);
    this.#seq += 1;
    this.#seconds.add({ seq: this.#seq, atMs, ...reading });
    const minute = this.#summary.add(this.#withoutCores.of(reading), atMs);
    if (minute !== undefined) this.#addMinute(minute);
  }

  /** Pieces of history, at most `historyBytes` each: the samples of the last `secondsMs`, then the minutes of the last `minutesMs`. */
  pieces({ secondsMs, minutesMs }: { readonly secondsMs: number; readonly minutesMs: number }): Uint8Array[] {
    const nowMs = this.#time();
    const rings = [this.#mean, this.#lowest, this.#highest];
    const pieces = [
      ...(secondsMs > 0 ? this.#seconds.since(nowMs - secondsMs) : []),
      ...(minutesMs > 0 ? rings.flatMap((ring) => ring.since(nowMs - minutesMs)) : []),
    ];
    const movedMs = Math.round(this.#options.now()) - nowMs;
    return Math.abs(movedMs) < SAME_CLOCK_MS ? pieces : pieces.map((piece) => moveHistory(piece, movedMs));
  }

  #addMinute({ shape, atMs, ...kinds }: Minute): void {
    this.#minutes += 1;
    const sample = (values: Float64Array): Sample => ({ seq: this.#minutes, atMs, shape, values });
    this.#mean.add(sample(kinds.mean));
    this.#lowest.add(sample(kinds.lowest));
    this.#highest.add(sample(kinds.highest));
  }

  #time(): number {
    const nowMs = Math.max(0, Math.round(this.#startMs + this.#options.elapsedMs()));
    return (this.#lastMs = Math.max(this.#lastMs, nowMs));
  }
}

function minuteRing(kind: 'mean' | 'lowest' | 'highest'): PieceRing {
  return new PieceRing({ kind, keepMs: MINUTES_KEEP_MS, maxBytes: MINUTES_BYTES });
}

/** Leaves the processors out where there are many. */
class WithoutCores {
  #from: Shape | undefined;
  #to: Shape = makeShape({});

  of(reading: Reading): Reading {
    const { shape, values } = reading;
    if (shape.names.core.length <= MINUTES_CORES) return reading;
    if (this.#from !== shape) {
      this.#from = shape;
      this.#to = makeShape({ ...shape.names, core: [] });
    }
    const reduced = new Float64Array(this.#to.length);
    reduced.set(values.subarray(0, HOST_METRICS.length));
    // The cores are the first group.
    reduced.set(values.subarray(shape.offsets.disk), HOST_METRICS.length);
    return { shape: this.#to, values: reduced };
  }
}
