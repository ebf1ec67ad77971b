import type { Clock, Timer } from '../clock.js';

interface Pending extends Timer {
  dueMs: number;
  readonly everyMs: number | undefined;
  readonly run: () => void;
}

/** A clock for tests: time stands still until `advance` moves it, and timers fire in the order of their due times. */
export class FakeClock implements Clock {
  #nowMs: number;
  #skewMs = 0;
  readonly #startMs: number;
  readonly #pending = new Set<Pending>();

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  /** How many timers are pending; a test that expects none has found no leak. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  now(): number {
    return this.#nowMs + this.#skewMs;
  }

  monotonic(): number {
    return this.#nowMs - this.#startMs;
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    return this.#add(run, Math.max(delayMs, 0), undefined);
  }

  setInterval(run: () => void, everyMs: number): Timer {
    return this.#add(run, Math.max(everyMs, 1), Math.max(everyMs, 1));
  }

  clear(timer: Timer | undefined): void {
    if (timer !== undefined) this.#pending.delete(timer as Pending);
  }

  /** Sets the wall clock, and no other. */
  jump(byMs: number): void {
    this.#skewMs += byMs;
  }

  /** Moves time on and fires, at its own moment each, everything that falls due on the way, also what those timers start. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let next = this.#nextDue(untilMs); next !== undefined; next = this.#nextDue(untilMs)) this.#fire(next);
    this.#nowMs = untilMs;
  }

  /** As `advance`, but lets promises settle before the first timer and after each one. */
  async advanceAsync(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (let next = this.#nextDue(untilMs); next !== undefined; next = this.#nextDue(untilMs)) {
      this.#fire(next);
      await settle();
    }
    this.#nowMs = untilMs;
  }

  #add(run: () => void, delayMs: number, everyMs: number | undefined): Pending {
    const pending: Pending = { dueMs: this.#nowMs + delayMs, everyMs, run, unref: () => pending };
    this.#pending.add(pending);
    return pending;
  }

  #nextDue(untilMs: number): Pending | undefined {
    let next: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.dueMs <= untilMs && (next === undefined || pending.dueMs < next.dueMs)) next = pending;
    }
    return next;
  }

  #fire(pending: Pending): void {
    this.#nowMs = Math.max(this.#nowMs, pending.dueMs);
    if (pending.everyMs === undefined) this.#pending.delete(pending);
    else pending.dueMs += pending.everyMs;
    pending.run();
  }
}

/** One turn of the event loop: all promise callbacks that are ready, and those that they make ready, have run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
