import type { Clock } from '@muster/runtime';
import type { Session } from '../../sessions/hub/session.js';

const WINDOW_MS = 1_000;

/** Beyond so many times what is heard it is no agent that catches up. */
const FLOOD = 10;

/** `over`: not to be heard now; the agent will say it again. */
export type RateResult = 'ok' | 'over' | 'flood';

/**
 * How many reports of each session in this second nobody has kept yet. An agent with much to say, such as one that comes back with all that was
 * not kept, is heard as fast as its reports are kept; one that floods is not. Costs memory only for sessions that report.
 */
export class ReportRate {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #unkept = new Map<Session, number>();
  #fromMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly clock: Clock; readonly perSecond: number }) {
    this.#clock = options.clock;
    this.#perSecond = options.perSecond;
  }

  /** Counts one report. */
  take(session: Session): RateResult {
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#fromMs >= WINDOW_MS) {
      this.#unkept.clear();
      this.#fromMs = nowMs;
    }
    const unkept = (this.#unkept.get(session) ?? 0) + 1;
    this.#unkept.set(session, unkept);
    if (unkept <= this.#perSecond) return 'ok';
    return unkept <= FLOOD * this.#perSecond ? 'over' : 'flood';
  }

  kept(session: Session): void {
    const unkept = this.#unkept.get(session);
    if (unkept !== undefined && unkept > 0) this.#unkept.set(session, unkept - 1);
  }
}
