import type { SessionMode } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime/program';
import type { TransportSelector } from './transport-selector.js';

/** Why a session is opened: there is none, a gateway asked for it, HELLO says something else, another channel is to be used, Live is tried beside Poll. */
export type Purpose = 'comeback' | 'reconnect' | 'renewal' | 'mode' | 'retry';

export interface ReconnectScheduleOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly choice: TransportSelector;
  readonly run: (purpose: Purpose) => void;
}

/** No gateway plans a move further ahead; timers hold no more than 24 days. */
const MAX_DELAY_MS = 24 * 3_600_000;

/** When the next attempt to open a session is made, and why: there is one plan at a time, and beside it one to have Live back. */
export class ReconnectSchedule {
  readonly #options: ReconnectScheduleOptions;
  #planned: { readonly timer: Timer; readonly purpose: Purpose; readonly dueMs: number } | undefined;
  #retry: Timer | undefined;

  constructor(options: ReconnectScheduleOptions) {
    this.#options = options;
  }

  get purpose(): Purpose | undefined {
    return this.#planned?.purpose;
  }

  /** Takes the place of another plan. */
  set(purpose: Purpose, delayMs: number): void {
    const { clock, run } = this.#options;
    this.drop();
    const timer = clock.setTimeout(() => {
      this.#planned = undefined;
      run(purpose);
    }, delayMs);
    this.#planned = { timer, purpose, dueMs: clock.monotonic() + delayMs };
  }

  /** Makes sure that there is an attempt in `delayMs`, or before: one that is planned anyway serves this purpose too. */
  within(purpose: Purpose, delayMs: number): void {
    const planned = this.#planned;
    if (planned === undefined) this.set(purpose, delayMs);
    else if (this.#options.clock.monotonic() + delayMs < planned.dueMs) this.set(planned.purpose, delayMs);
  }

  /**
   * Plans what brings a session over `mode` to the channel that it is to be on, and drops what would take it elsewhere. Without a spread, an attempt that is
   * planned stays when it is: it has failed before.
   */
  bringFrom(mode: SessionMode, spreadMs?: number): void {
    const { choice, clock, run } = this.#options;
    this.dropRetry();
    const delayMs = mode === 'poll' ? choice.retryInMs : undefined;
    if (delayMs !== undefined) this.#retry = clock.setTimeout(() => run('retry'), delayMs);
    if (choice.usual === mode) this.dropChange();
    else if (spreadMs !== undefined || this.#planned === undefined) this.within('mode', this.spread(0, spreadMs ?? 0));
  }

  /** A random time from `afterMs` on, within `spreadMs`. */
  spread(afterMs: number, spreadMs: number): number {
    return Math.min(afterMs + Math.floor(this.#options.random() * spreadMs), MAX_DELAY_MS);
  }

  drop(): void {
    this.#options.clock.clear(this.#planned?.timer);
    this.#planned = undefined;
  }

  /** Drops a change of the channel, and nothing else. */
  dropChange(): void {
    if (this.#planned?.purpose === 'mode') this.drop();
  }

  dropRetry(): void {
    this.#options.clock.clear(this.#retry);
  }
}
