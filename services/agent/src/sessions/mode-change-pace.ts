import { type Backoff, type Clock, fullJitter } from '@muster/runtime/program';

const BASE_MS = 1_000;
const CAP_MS = 60_000;
/** Longer than any delay. */
const CALM_MS = 2 * 60_000;

/**
 * When an agent follows a WELCOME that tells it to use another mode than the session's. At once, unless that happens again within two
 * minutes: then gateways disagree, because one of them has not heard of a decision yet, and each move ends at the other one. Without a
 * delay, all agents that are concerned would open sessions as fast as they can for as long as that lasts.
 */
export class ModeChangePace {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #backoff: Backoff;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor({ clock, random }: { readonly clock: Pick<Clock, 'monotonic'>; readonly random: () => number }) {
    this.#clock = clock;
    this.#backoff = fullJitter({ baseMs: BASE_MS, capMs: CAP_MS, random });
  }

  /** In how many milliseconds the next move may begin. Counts as one. */
  next(): number {
    const nowMs = this.#clock.monotonic();
    const isCalm = nowMs - this.#lastMs >= CALM_MS;
    if (isCalm) this.#backoff.reset();
    this.#lastMs = nowMs;
    return isCalm ? 0 : this.#backoff.next();
  }
}
