import type { Clock } from '@muster/runtime/program';

/**
 * The time that two clocks agree on: that of this machine, which may jump, and that of the gateway, which said it when
 * the session began and is carried on by the monotonic clock. Nothing is thrown away before both say that it is old.
 */
export class AgreedTime {
  readonly #clock: Clock;
  #offsetMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A session began, and its gateway said what time it is. */
  heard(gatewayTimeMs: number): void {
    this.#offsetMs = gatewayTimeMs - this.#clock.monotonic();
  }

  /** The earlier one of the two clocks; `undefined` before the first session. */
  get earliestMs(): number | undefined {
    if (this.#offsetMs === undefined) return undefined;
    return Math.min(this.#clock.now(), this.#clock.monotonic() + this.#offsetMs);
  }

  /** The gateway's clock, but at most this far ahead of that of this machine; `undefined` before the first session. */
  gatewayMs(maxAheadMs: number): number | undefined {
    if (this.#offsetMs === undefined) return undefined;
    return Math.min(this.#clock.monotonic() + this.#offsetMs, this.#clock.now() + maxAheadMs);
  }
}
