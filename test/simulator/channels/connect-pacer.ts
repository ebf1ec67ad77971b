const TICK_MS = 10;

/**
 * Starts connections at no more than `perSecond`, with at most `inFlight` under way. Each one that was started calls `done` once.
 * The queue is bounded by the size of the fleet, because each agent waits in it at most once.
 */
export class ConnectPacer {
  readonly #perTick: number;
  readonly #inFlight: number;
  readonly #queue: (() => void)[] = [];
  #next = 0;
  #running = 0;
  #allowance = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(perSecond: number, inFlight: number) {
    this.#perTick = (perSecond * TICK_MS) / 1000;
    this.#inFlight = inFlight;
  }

  enter(begin: () => void): void {
    this.#queue.push(begin);
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#tick(), TICK_MS);
      this.#tick();
    }
  }

  done(): void {
    this.#running -= 1;
    this.#admit();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#queue.length = 0;
    this.#next = 0;
  }

  #tick(): void {
    // Unused allowance is kept for one tick only, so that a pause is not followed by a burst.
    this.#allowance = Math.min(this.#allowance + this.#perTick, Math.max(1, 2 * this.#perTick));
    this.#admit();
    if (this.#next < this.#queue.length) return;
    this.#queue.length = 0;
    this.#next = 0;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #admit(): void {
    while (this.#next < this.#queue.length && this.#allowance >= 1 && this.#running < this.#inFlight) {
      const begin = this.#queue[this.#next];
      this.#next += 1;
      this.#allowance -= 1;
      this.#running += 1;
      begin?.();
    }
  }
}
