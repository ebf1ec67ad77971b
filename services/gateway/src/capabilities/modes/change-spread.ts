import type { Clock } from '@muster/runtime';

const PER_SECOND = 500;
/** What is over so soon needs no spreading. */
const FEW_MS = 200;

/**
 * Over how long agents are asked to spread their changes of channel: a gateway can open some 500 sessions a second besides its other work, and
 * each change is one. Those that were asked a moment ago count until their time is over.
 */
export class ChangeSpread {
  readonly #clock: Clock;
  #busyUntilMs = 0;

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  /** So many will be asked to change. */
  expect(changes: number): void {
    this.#busyUntilMs = Math.max(this.#busyUntilMs, this.#clock.monotonic()) + (changes * 1_000) / PER_SECOND;
  }

  /** Over how long those are to spread that are asked now. */
  get spreadMs(): number {
    const aheadMs = this.#busyUntilMs - this.#clock.monotonic();
    return aheadMs <= FEW_MS ? 0 : Math.round(aheadMs);
  }
}
