import type { Clock } from '@muster/runtime';

const PER_SECOND = 500;
/** Changes that take less than this need no spreading. */
const FEW_MS = 200;

/**
 * Decides over how long agents are asked to spread their changes of channel. Each change opens a session, and a gateway can open some 500 a
 * second besides its other work. Agents that were asked a moment ago count until their time is over.
 */
export class ChangeSpread {
  readonly #clock: Clock;
  #busyUntilMs = 0;

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  /** So many agents will be asked to change. */
  expect(changes: number): void {
    this.#busyUntilMs = Math.max(this.#busyUntilMs, this.#clock.monotonic()) + (changes * 1_000) / PER_SECOND;
  }

  /** Over how many milliseconds agents that are asked now should spread their changes. */
  get spreadMs(): number {
    const aheadMs = this.#busyUntilMs - this.#clock.monotonic();
    return aheadMs <= FEW_MS ? 0 : Math.round(aheadMs);
  }
}
