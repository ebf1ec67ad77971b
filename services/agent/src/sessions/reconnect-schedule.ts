import type { SessionMode } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime/program';
import type { TransportSelector } from './transport-selector.js';

/**
 * Why a connection attempt is made:
 * - `recovery`: there is no session
 * - `reconnect`: the gateway sent RECONNECT
 * - `renewal`: HELLO has changed
 * - `mode`: the session should use the other mode
 * - `probe`: a try whether Live works again, beside a Poll session
 */
export type Purpose = 'recovery' | 'reconnect' | 'renewal' | 'mode' | 'probe';

export interface ReconnectScheduleOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly selector: TransportSelector;
  readonly run: (purpose: Purpose) => void;
}

/** Gateways plan no further ahead; timers can hold no more than 24 days. */
const MAX_DELAY_MS = 24 * 3_600_000;

/** When the next connection attempt is made, and why. At most one attempt is planned, plus one probe of Live. */
export class ReconnectSchedule {
  readonly #options: ReconnectScheduleOptions;
  #planned: { readonly timer: Timer; readonly purpose: Purpose; readonly dueMs: number } | undefined;
  #probe: Timer | undefined;

  constructor(options: ReconnectScheduleOptions) {
    this.#options = options;
  }

  get purpose(): Purpose | undefined {
    return this.#planned?.purpose;
  }

  /** Replaces the planned attempt. */
  set(purpose: Purpose, delayMs: number): void {
    const { clock, run } = this.#options;
    this.drop();
    const timer = clock.setTimeout(() => {
      this.#planned = undefined;
      run(purpose);
    }, delayMs);
    this.#planned = { timer, purpose, dueMs: clock.monotonic() + delayMs };
  }

  /**
   * Makes sure that there is an attempt within `delayMs`. An attempt that is planned anyway serves this purpose too.
   */
  within(purpose: Purpose, delayMs: number): void {
    const planned = this.#planned;
    if (planned === undefined) this.set(purpose, delayMs);
    else if (this.#options.clock.monotonic() + delayMs < planned.dueMs) this.set(planned.purpose, delayMs);
  }

  /**
   * Plans what moves a session from `mode` to the preferred mode, not before `afterMs`, and drops a planned change to
   * another one. Without `spreadMs`, an attempt that is planned keeps its time: it is the retry after a failure.
   */
  moveFrom(mode: SessionMode, spreadMs?: number, afterMs = 0): void {
    const { selector, clock, run } = this.#options;
    this.dropProbe();
    const delayMs = mode === 'poll' ? selector.probeInMs : undefined;
    if (delayMs !== undefined) this.#probe = clock.setTimeout(() => run('probe'), delayMs);
    if (selector.preferred === mode) this.dropModeChange();
    else if (spreadMs !== undefined || this.#planned === undefined)
      this.within('mode', this.spread(afterMs, spreadMs ?? 0));
  }

  /** A random delay between `afterMs` and `afterMs + spreadMs`. */
  spread(afterMs: number, spreadMs: number): number {
    return Math.min(afterMs + Math.floor(this.#options.random() * spreadMs), MAX_DELAY_MS);
  }

  drop(): void {
    this.#options.clock.clear(this.#planned?.timer);
    this.#planned = undefined;
  }

  /** Drops a planned change of the mode, and nothing else. */
  dropModeChange(): void {
    if (this.#planned?.purpose === 'mode') this.drop();
  }

  dropProbe(): void {
    this.#options.clock.clear(this.#probe);
  }
}
