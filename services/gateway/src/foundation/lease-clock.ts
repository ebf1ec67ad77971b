import type { Clock, Timer } from '@muster/runtime';
import type { GatewayIdentity } from './gateway-identity.js';

interface LeaseTimer extends Timer {
  readonly inner: Timer;
  isCleared: boolean;
}

/**
 * The clock of everything that acts in sessions. After a freeze any timer may be the first to fire: before it runs, the
 * gateway notices that it stood still and gives its sessions up. A timer that is cleared by that does not run.
 */
export class LeaseClock implements Clock {
  readonly #clock: Clock;
  readonly #identity: Pick<GatewayIdentity, 'checkLease'>;

  constructor(clock: Clock, identity: Pick<GatewayIdentity, 'checkLease'>) {
    this.#clock = clock;
    this.#identity = identity;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    return this.#timer(run, (checked) => this.#clock.setTimeout(checked, delayMs));
  }

  setInterval(run: () => void, everyMs: number): Timer {
    return this.#timer(run, (checked) => this.#clock.setInterval(checked, everyMs));
  }

  clear(timer: Timer | undefined): void {
    // Every timer of this clock is one of these.
    const known = timer as LeaseTimer | undefined;
    if (known === undefined) return;
    known.isCleared = true;
    this.#clock.clear(known.inner);
  }

  #timer(run: () => void, start: (checked: () => void) => Timer): LeaseTimer {
    const inner = start(() => {
      this.#identity.checkLease();
      if (!timer.isCleared) run();
    });
    const timer: LeaseTimer = { inner, isCleared: false, unref: () => inner.unref() };
    return timer;
  }
}
