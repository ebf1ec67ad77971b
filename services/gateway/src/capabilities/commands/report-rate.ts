import type { Clock } from '@muster/runtime';
import type { SessionView } from '../../foundation/session-view.js';

const WINDOW_MS = 1_000;

/** An agent that catches up does not exceed the limit by this factor. */
const FLOOD = 10;

/** `over`: the report is ignored; the agent repeats it. */
export type RateResult = 'ok' | 'over' | 'flood';

/**
 * Counts, for each session, the reports of this second that nobody has kept yet. An agent with much to report, such as one that comes
 * back with everything that was not kept, is heard as fast as its reports are kept; one that floods is not. Costs memory only for
 * sessions that report.
 */
export class ReportRate {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #unkept = new Map<SessionView, number>();
  #fromMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly clock: Clock; readonly perSecond: number }) {
    this.#clock = options.clock;
    this.#perSecond = options.perSecond;
  }

  /** Counts one report. */
  take(session: SessionView): RateResult {
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

  kept(session: SessionView): void {
    const unkept = this.#unkept.get(session);
    if (unkept !== undefined && unkept > 0) this.#unkept.set(session, unkept - 1);
  }
}
