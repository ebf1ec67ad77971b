import type { Clock, Timer } from '@muster/runtime';

/**
 * Runs something soon after it became due: at the end of this turn of the event loop when it has not run for `everyMs`, else when that time
 * is over. A lone message is not delayed, and a burst becomes few batches. `run` may return a longer time until the next run: under load,
 * few large batches cost everybody less.
 */
export class BatchScheduler {
  readonly #clock: Clock;
  #everyMs: number;
  readonly #leastMs: number;
  readonly #run: () => number | void;
  #ranAtMs = Number.NEGATIVE_INFINITY;
  #immediate: NodeJS.Immediate | undefined;
  #timer: Timer | undefined;

  constructor(options: { readonly clock: Clock; readonly everyMs: number; readonly run: () => number | void }) {
    this.#clock = options.clock;
    this.#everyMs = options.everyMs;
    this.#leastMs = options.everyMs;
    this.#run = options.run;
  }

  /** Any number of calls before the next run count once. */
  due(): void {
    if (this.#immediate !== undefined || this.#timer !== undefined) return;
    const waitMs = this.#ranAtMs + this.#everyMs - this.#clock.monotonic();
    if (waitMs <= 0) this.#immediate = setImmediate(() => this.now());
    else this.#timer = this.#clock.setTimeout(() => this.now(), waitMs);
  }

  /** Runs at once, in place of the run that is due. */
  now(): void {
    this.cancel();
    this.#ranAtMs = this.#clock.monotonic();
    this.#everyMs = this.#run() ?? this.#leastMs;
  }

  cancel(): void {
    clearImmediate(this.#immediate);
    this.#clock.clear(this.#timer);
    this.#immediate = undefined;
    this.#timer = undefined;
  }
}
