const EVERY_MS = 100;
const NOTED_MS = 300;

/** When this machine stood still: a timer of this process that came late. Bounds of time do not count that. */
export class Stalls {
  readonly #stalls: { readonly atMs: number; readonly ms: number }[] = [];
  #last = Date.now();
  readonly #timer = setInterval(() => {
    const now = Date.now();
    const ms = now - this.#last - EVERY_MS;
    if (ms > NOTED_MS) this.#stalls.push({ atMs: now, ms });
    this.#last = now;
  }, EVERY_MS);

  /** How long in all. */
  within(fromMs: number, toMs: number): number {
    const during = this.#stalls.filter(({ atMs, ms }) => atMs >= fromMs && atMs - ms <= toMs);
    return during.reduce((sum, { ms }) => sum + ms, 0);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
