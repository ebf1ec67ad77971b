import { clipMessage } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime/program';
import type { ActionCall, ActionResult } from '../../actions/contract/action.js';
import type { Outcome } from './history-entry.js';

/** Why the action was told to end. */
type Why = 'cancelled' | 'deadline' | 'agent_stops';

type RunAction = (signal: AbortSignal, onGivenUp: NonNullable<ActionCall['onGivenUp']>) => Promise<ActionResult>;

/** Between the abort and giving up. */
const GRACE_MS = 5_000;

/**
 * One running action: until it ends by itself, ends because it was told to, or is given up because it does not end.
 *
 *     running ──────────────── ends ─────────────▶ its own result
 *        │ deadline, stop                    ▲
 *        └──▶ told to end ───────────────────┤
 *                  │ 5 s                     │
 *                  └──▶ given up: `timed_out`; a later result is only logged
 *     running ──cancel──▶ told to end; it may take until the deadline
 */
export class RunningCommand {
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #giveUp: () => void;
  #timer: Timer | undefined;
  /** Leaves the action behind; returns the path that it touched last. */
  #leave: (() => string | undefined) | undefined;
  #why: Why | undefined;
  #isOver = false;
  /** How it ended; never rejects. */
  readonly outcome: Promise<Outcome>;

  constructor(
    run: RunAction,
    {
      clock,
      timeoutMs,
      onLate,
    }: { readonly clock: Clock; readonly timeoutMs: number; readonly onLate: (late: ActionResult) => void },
  ) {
    this.#clock = clock;
    let giveUp: (outcome: Outcome) => void = () => {};
    const givenUp = new Promise<Outcome>((resolve) => (giveUp = resolve));
    this.#giveUp = () => giveUp(this.#givenUp());
    this.#timer = clock.setTimeout(() => this.#end('deadline'), timeoutMs);
    const own = this.#start(run).then((result) => {
      if (this.#isOver) onLate(result);
      return this.#outcomeOf(result);
    });
    this.outcome = Promise.race([own, givenUp]).then((outcome) => {
      this.#isOver = true;
      clock.clear(this.#timer);
      return outcome;
    });
  }

  /** Tells the action to end. The outcome is what it then returns. */
  cancel(): void {
    if (this.#why === undefined && !this.#isOver) this.#abort('cancelled');
  }

  /** The agent stops: the action is given up after the grace period. */
  stop(): void {
    if (!this.#isOver) this.#end('agent_stops');
  }

  #end(why: Exclude<Why, 'cancelled'>): void {
    if (this.#why !== 'deadline') this.#abort(why);
    this.#clock.clear(this.#timer);
    this.#timer = this.#clock.setTimeout(this.#giveUp, GRACE_MS);
  }

  #abort(why: Why): void {
    this.#why = why;
    // A second abort has no effect: the first reason stays.
    this.#controller.abort(
      why === 'deadline' ? new DOMException('its time ran out', 'TimeoutError') : new DOMException(why, 'AbortError'),
    );
  }

  async #start(run: RunAction): Promise<ActionResult> {
    try {
      return await run(this.#controller.signal, (leave) => (this.#leave = leave));
    } catch (error) {
      const message = `the agent could not finish it: ${error instanceof Error ? error.message : String(error)}`;
      return { state: 'failed', code: 'internal', message };
    }
  }

  #outcomeOf(result: ActionResult): Outcome {
    return result.state === 'cancelled' && this.#why === 'agent_stops' ? { ...result, code: 'agent_stopped' } : result;
  }

  #givenUp(): Outcome {
    const code = this.#why === 'agent_stops' ? 'agent_stopped' : 'stuck';
    const path = this.#leave?.();
    const where = path === undefined ? '' : ` it hangs at ${path};`;
    const message = clipMessage(`it was told to end and did not;${where} what it still does is not known`);
    return { state: 'timed_out', code, message };
  }
}
