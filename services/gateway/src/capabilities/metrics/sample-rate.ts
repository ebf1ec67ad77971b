import type { Clock } from '@muster/runtime';
import type { SampledSession } from './sampled-session.js';

/** A sample a second, PROCESSES every five, and some room for clocks that differ. */
const EVERY_MS = 667;
const BURST_LIVE = 100;
/** An agent that polls brings what it measured since its last poll. */
const BURST_POLL = 1_000;
const WINDOW_MS = 10_000;
/** So many frames that were too many within the window are a flood. */
const FLOOD = 1_000;

/** `over`: the frame is ignored. `flood`: the session must end. */
export type RateResult = 'ok' | 'over' | 'flood';

/** How many frames a session may send. Costs one number per session, and an entry for those that are over the rate. */
export class SampleRate {
  readonly #clock: Clock;
  #over = new Map<SampledSession, number>();
  #fromMs = Number.NEGATIVE_INFINITY;

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  /** Counts one frame. */
  take(sampled: SampledSession): RateResult {
    const nowMs = this.#clock.monotonic();
    const burst = sampled.session.mode === 'poll' ? BURST_POLL : BURST_LIVE;
    const paidUntilMs = Math.max(sampled.paidUntilMs, nowMs) + EVERY_MS;
    if (paidUntilMs - nowMs <= burst * EVERY_MS) {
      sampled.paidUntilMs = paidUntilMs;
      return 'ok';
    }
    if (nowMs - this.#fromMs >= WINDOW_MS) {
      this.#over = new Map();
      this.#fromMs = nowMs;
    }
    const over = (this.#over.get(sampled) ?? 0) + 1;
    this.#over.set(sampled, over);
    return over <= FLOOD ? 'over' : 'flood';
  }
}
