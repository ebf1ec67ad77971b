import type { Clock, Timer } from '@muster/runtime';

export interface FlushTimes {
  /** Viewers see a change within this time. */
  readonly flushMs: number;
  /** Without any change, viewers get a progress event at least this often. */
  readonly keepAliveMs: number;
}

const QUERY_TIMES: FlushTimes = { flushMs: 250, keepAliveMs: 1_000 };
/** Groups that change often are written often: until the end at most this many bytes per second. */
const INTERIM_GROUP_BYTES_PER_MS = 4_000;

/** Decides when summaries of a query (progress, failures, changed groups) are written: the first one immediately, later ones batched. */
export class FlushScheduler {
  readonly #clock: Clock;
  readonly #every: FlushTimes;
  readonly #onDue: () => void;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #due = false;
  #progressDue = false;
  #changed = false;
  #finishing = false;
  #lastMs = Number.NEGATIVE_INFINITY;
  #groupsAtMs = Number.NEGATIVE_INFINITY;
  #groupsDue = false;

  /** `onDue` is called when a flush begins: the writer should take what is due. */
  constructor(clock: Clock, onDue: () => void, every: FlushTimes = QUERY_TIMES) {
    this.#clock = clock;
    this.#every = every;
    this.#onDue = onDue;
  }

  /** Whether summaries may be written now. */
  get due(): boolean {
    return this.#due;
  }

  groupsDue(bytes: number): boolean {
    if (bytes === 0) return false;
    if (this.#finishing || this.#groupsDue) return true;
    const nowMs = this.#clock.monotonic();
    if (nowMs < this.#groupsAtMs) return false;
    this.#groupsAtMs = nowMs + bytes / INTERIM_GROUP_BYTES_PER_MS;
    this.#groupsDue = true;
    return true;
  }

  /** Something changed: it is written in a flush, which begins when the last one is old enough. */
  changed(): void {
    this.#changed = true;
    if (this.#due) return;
    this.#arm(this.#lastMs + this.#every.flushMs);
  }

  flushNow(): void {
    this.#begin();
  }

  /** Ends a flush: true when its one progress event is to be written now. */
  takeProgress(): boolean {
    const due = this.#progressDue;
    this.#progressDue = false;
    this.#groupsDue = false;
    // While finishing, the flush stays due until nothing is left, including what changed during it.
    if (!this.#finishing) this.#due = false;
    if (due && !this.#finishing)
      this.#arm(this.#lastMs + (this.#changed ? this.#every.flushMs : this.#every.keepAliveMs));
    return due;
  }

  /** The last flush: everything is due until it is written. */
  finish(): void {
    this.stop();
    this.#finishing = true;
    this.#begin();
  }

  stop(): void {
    this.#clock.clear(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  #begin(): void {
    this.stop();
    this.#due = true;
    this.#progressDue = true;
    this.#changed = false;
    this.#lastMs = this.#clock.monotonic();
    this.#onDue();
  }

  #arm(atMs: number): void {
    const waitMs = atMs - this.#clock.monotonic();
    if (waitMs <= 0) return this.#begin();
    if (this.#timerAtMs <= atMs) return;
    this.stop();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.setTimeout(() => this.#begin(), waitMs);
  }
}
