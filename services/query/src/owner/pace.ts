import type { Clock, Timer } from '@muster/runtime';

export interface PaceOptions {
  readonly clock: Clock;
  /** Something is due to be written. */
  readonly onDue: () => void;
}

/** Viewers see a change within this time. */
const EVERY_MS = 250;
/** Viewers hear that a query still runs, at least this often. */
const ALIVE_MS = 1_000;
/** Groups that change again and again are written again and again: at most this much per second until the end. */
const INTERIM_GROUP_BYTES_PER_MS = 4_000;

/** Decides when summaries of a query (progress, failures, changed groups) are written: the first at once, later ones together. */
export class Pace {
  readonly #options: PaceOptions;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #due = false;
  #progressDue = false;
  #changed = false;
  #finishing = false;
  #lastMs = Number.NEGATIVE_INFINITY;
  #groupsAtMs = Number.NEGATIVE_INFINITY;
  #groupsDue = false;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Whether summaries may be written now. */
  get due(): boolean {
    return this.#due;
  }

  /** Whether changed groups of this size may be written in the round under way. */
  groupsDue(bytes: number): boolean {
    if (bytes === 0) return false;
    if (this.#finishing || this.#groupsDue) return true;
    const nowMs = this.#options.clock.monotonic();
    if (nowMs < this.#groupsAtMs) return false;
    this.#groupsAtMs = nowMs + bytes / INTERIM_GROUP_BYTES_PER_MS;
    this.#groupsDue = true;
    return true;
  }

  /** Something changed; it is written when the last round is old enough. */
  changed(): void {
    this.#changed = true;
    if (this.#due) return;
    this.#arm(this.#lastMs + EVERY_MS);
  }

  /** What has changed is worth a round of its own, now. */
  hurry(): void {
    this.#begin();
  }

  /** Ends a round with one progress event; false when it has been given. */
  takeProgress(): boolean {
    const due = this.#progressDue;
    this.#progressDue = false;
    this.#groupsDue = false;
    // At the end the writer is asked until nothing is left, also of what came during the last round.
    if (!this.#finishing) this.#due = false;
    if (due && !this.#finishing) this.#arm(this.#lastMs + (this.#changed ? EVERY_MS : ALIVE_MS));
    return due;
  }

  /** The last round: everything is due until it is written. */
  finish(): void {
    this.stop();
    this.#finishing = true;
    this.#begin();
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  #begin(): void {
    this.stop();
    this.#due = true;
    this.#progressDue = true;
    this.#changed = false;
    this.#lastMs = this.#options.clock.monotonic();
    this.#options.onDue();
  }

  #arm(atMs: number): void {
    const waitMs = atMs - this.#options.clock.monotonic();
    if (waitMs <= 0) return this.#begin();
    if (this.#timerAtMs <= atMs) return;
    this.stop();
    this.#timerAtMs = atMs;
    this.#timer = this.#options.clock.setTimeout(() => this.#begin(), waitMs);
  }
}
