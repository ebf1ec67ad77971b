const TICK_MS = 10;

/** Delayed work of all agents under one timer, which ticks only while something is scheduled. */
export class Schedule {
  readonly #slots = new Map<number, (() => void)[]>();
  #timer: NodeJS.Timeout | undefined;
  #tick = 0;

  /** Runs it after about `delayMs`. It cannot be taken back: `run` itself checks whether it is still due. */
  after(delayMs: number, run: () => void): void {
    if (this.#timer === undefined) {
      this.#tick = slotOf(performance.now());
      this.#timer = setInterval(() => this.#advance(), TICK_MS);
    }
    const slot = Math.max(slotOf(performance.now() + delayMs), this.#tick) + 1;
    const due = this.#slots.get(slot);
    if (due === undefined) this.#slots.set(slot, [run]);
    else due.push(run);
  }

  /** Forgets everything. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#slots.clear();
  }

  #advance(): void {
    const now = slotOf(performance.now());
    while (this.#tick < now) {
      this.#tick += 1;
      const due = this.#slots.get(this.#tick);
      if (due === undefined) continue;
      this.#slots.delete(this.#tick);
      for (const run of due) run();
    }
    if (this.#slots.size === 0) this.stop();
  }
}

function slotOf(ms: number): number {
  return Math.floor(ms / TICK_MS);
}
