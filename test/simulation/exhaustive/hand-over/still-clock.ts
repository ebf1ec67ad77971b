import type { Clock, Timer } from '@muster/runtime';

interface StillTimer extends Timer {
  readonly run: () => void;
  /** Of an interval. */
  readonly everyMs: number | undefined;
}

const BEGIN_MS = 1_750_000_000_000;

/** Time that nobody measures: it goes on a little with each step, and timers fire when the search says so. */
export class StillTime {
  #ms = 0;

  get nowMs(): number {
    return this.#ms;
  }

  tick(): void {
    this.#ms += 1;
  }
}

/** The clock of one process. */
export class StillClock implements Clock {
  /** How long the process stood still. */
  stoodStillMs = 0;
  readonly #time: StillTime;
  readonly #timers = new Set<StillTimer>();

  constructor(time: StillTime) {
    this.#time = time;
  }

  now(): number {
    return BEGIN_MS + this.#time.nowMs;
  }

  monotonic(): number {
    return this.#time.nowMs + this.stoodStillMs;
  }

  setTimeout(run: () => void): Timer {
    return this.#add(run, undefined);
  }

  setInterval(run: () => void, everyMs: number): Timer {
    return this.#add(run, everyMs);
  }

  clear(timer: Timer | undefined): void {
    this.#timers.delete(timer as StillTimer);
  }

  /** Whether something waits for a time to come. */
  get hasTimer(): boolean {
    return [...this.#timers].some(({ everyMs }) => everyMs === undefined);
  }

  /** The time has come for what waits the longest. */
  fire(): void {
    const [first] = [...this.#timers].filter(({ everyMs }) => everyMs === undefined);
    if (first === undefined) return;
    this.#timers.delete(first);
    first.run();
  }

  /** What is done so often is done. */
  repeat(everyMs: number): void {
    for (const timer of this.#timers) if (timer.everyMs === everyMs) timer.run();
  }

  #add(run: () => void, everyMs: number | undefined): Timer {
    const timer: StillTimer = { run, everyMs, unref: () => undefined };
    this.#timers.add(timer);
    return timer;
  }
}
