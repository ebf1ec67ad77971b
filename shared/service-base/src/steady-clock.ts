import type { Clock, Logger, Timer } from '@muster/runtime';
import type { PeerClocks } from './peer-clocks.js';

export interface SteadyClockOptions {
  readonly clock: Clock;
  readonly peers: Pick<PeerClocks, 'offsetsMs'>;
  readonly logger: Logger;
  /** The time was set, by so much: times that were noted before are off by it. */
  readonly onSet?: (byMs: number) => void;
}

/** What a clock is slewed by at once is less. Clocks that are no farther apart agree. */
const JUMP_MS = 2_000;
const CHECK_MS = 500;
/** Peers are heard within this time, and what waited unread before them is read. */
const LISTEN_MS = 3_000;
/** After the start a clock is compared with those of the others for so long: it may have been wrong before. */
const START_MS = 10_000;
/** Where no peer says anything, a clock that jumped is believed after this time. */
const ALONE_MS = 300_000;
/** Between two readings of the clocks the process may have stood still. */
const READ_MS = 20;

/**
 * A wall clock that does not jump. What a service decides for good by the time (that something has expired, that nobody
 * has reported) must not hang on a clock that somebody has just set. So when the wall clock jumps against the monotonic
 * one, the time goes on as before:
 *
 *     follows the wall clock ──it jumped──▶ in doubt: goes on by the monotonic clock
 *            ▲                                 │
 *            └─ it is back, or more peers have ┘
 *               the new time than the old one, or nobody says anything for 5 min
 *
 * A machine that was suspended has jumped too: its peers have the new time, and it takes that over. `steadyForMs` begins anew then.
 */
export class SteadyClock implements Clock {
  readonly #options: SteadyClockOptions;
  /** What is believed: wall time less monotonic time. */
  #offsetMs: number;
  #setAtMs: number;
  readonly #startedMs: number;
  #doubt: { readonly sinceMs: number; readonly offsetMs: number } | undefined;
  #timer: Timer | undefined;

  constructor(options: SteadyClockOptions) {
    this.#options = options;
    this.#offsetMs = this.#read().offsetMs;
    this.#startedMs = options.clock.monotonic();
    this.#setAtMs = Number.NEGATIVE_INFINITY;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.#check(), CHECK_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  now(): number {
    const { monotonicMs, offsetMs } = this.#read();
    if (Math.abs(offsetMs - this.#offsetMs) <= JUMP_MS) {
      if (this.#doubt !== undefined) this.#options.logger.info('the clock is as it was before it jumped');
      this.#doubt = undefined;
      this.#offsetMs = offsetMs;
    } else if (this.#doubt === undefined || Math.abs(offsetMs - this.#doubt.offsetMs) > JUMP_MS) {
      this.#doubt = { sinceMs: monotonicMs, offsetMs };
      const jumpedMs = Math.round(offsetMs - this.#offsetMs);
      this.#options.logger.warn('the clock of this machine jumped; it is not used until others agree', { jumpedMs });
    }
    return Math.round(monotonicMs + this.#offsetMs);
  }

  /** How long ago the time was set; `Infinity` when it never was. */
  get steadyForMs(): number {
    return this.monotonic() - this.#setAtMs;
  }

  monotonic(): number {
    return this.#options.clock.monotonic();
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    return this.#options.clock.setTimeout(run, delayMs);
  }

  setInterval(run: () => void, everyMs: number): Timer {
    return this.#options.clock.setInterval(run, everyMs);
  }

  clear(timer: Timer | undefined): void {
    this.#options.clock.clear(timer);
  }

  #check(): void {
    this.now();
    const peers = this.#options.peers.offsetsMs();
    const nowMs = this.monotonic();
    if (this.#doubt === undefined) {
      // Others that agree with each other know better than one that has just begun.
      const theirs = nowMs - this.#startedMs <= START_MS ? consensus(peers) : undefined;
      if (theirs !== undefined && Math.abs(theirs - this.#offsetMs) > JUMP_MS) this.#set(theirs, 'that of the others');
      return;
    }
    const { offsetMs, sinceMs } = this.#doubt;
    if (nowMs - sinceMs < LISTEN_MS) return;
    const [its, former] = [agreeing(peers, offsetMs), agreeing(peers, this.#offsetMs)];
    if (its > former) this.#set(offsetMs, 'others agree with it');
    else if (former === 0 && nowMs - sinceMs >= ALONE_MS) this.#set(offsetMs, 'nobody says anything else');
  }

  #set(offsetMs: number, why: string): void {
    const byMs = Math.round(offsetMs - this.#offsetMs);
    this.#offsetMs = offsetMs;
    this.#setAtMs = this.monotonic();
    this.#doubt = undefined;
    this.#options.logger.warn('the time was set', { byMs, why });
    this.now();
    this.#options.onSet?.(byMs);
  }

  /** Both clocks at one moment. */
  #read(): { readonly monotonicMs: number; readonly offsetMs: number } {
    const { clock } = this.#options;
    for (;;) {
      const beforeMs = clock.monotonic();
      const wallMs = clock.now();
      const monotonicMs = clock.monotonic();
      if (monotonicMs - beforeMs <= READ_MS) return { monotonicMs, offsetMs: wallMs - monotonicMs };
    }
  }
}

function agreeing(offsets: readonly number[], offsetMs: number): number {
  return offsets.filter((its) => Math.abs(its - offsetMs) <= JUMP_MS).length;
}

/** What most of at least two say. */
function consensus(offsets: readonly number[]): number | undefined {
  const median = offsets.toSorted((a, b) => a - b)[Math.floor(offsets.length / 2)];
  if (median === undefined) return undefined;
  const count = agreeing(offsets, median);
  return count >= 2 && count > offsets.length / 2 ? median : undefined;
}
