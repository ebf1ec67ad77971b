import type { Clock, Timer } from '@muster/runtime/program';

/** Why a session is opened: there is none, a gateway asked for it, HELLO says something else, another channel is to be used, Live is tried beside Poll. */
export type Purpose = 'comeback' | 'reconnect' | 'renewal' | 'mode' | 'retry';

/** When the next attempt to open a session is made, and why; there is one plan at a time. */
export class AttemptPlan {
  readonly #clock: Clock;
  readonly #run: (purpose: Purpose) => void;
  #planned: { readonly timer: Timer; readonly purpose: Purpose; readonly dueMs: number } | undefined;

  constructor(clock: Clock, run: (purpose: Purpose) => void) {
    this.#clock = clock;
    this.#run = run;
  }

  get purpose(): Purpose | undefined {
    return this.#planned?.purpose;
  }

  /** Takes the place of another plan. */
  set(purpose: Purpose, delayMs: number): void {
    this.drop();
    const timer = this.#clock.setTimeout(() => {
      this.#planned = undefined;
      this.#run(purpose);
    }, delayMs);
    this.#planned = { timer, purpose, dueMs: this.#clock.monotonic() + delayMs };
  }

  /** Makes sure that there is an attempt in `delayMs`, or before: one that is planned anyway serves this purpose too. */
  within(purpose: Purpose, delayMs: number): void {
    const planned = this.#planned;
    if (planned === undefined) this.set(purpose, delayMs);
    else if (this.#clock.monotonic() + delayMs < planned.dueMs) this.set(planned.purpose, delayMs);
  }

  drop(): void {
    this.#clock.clear(this.#planned?.timer);
    this.#planned = undefined;
  }
}
