import type { Clock, Timer } from '@muster/runtime/program';

/** A command that changed HELLO is reported over the session on which it came, if it ends within this time. */
const LATEST_MS = 2_000;

/** Opens a new session when HELLO has changed: after all outcomes are confirmed, but at most two seconds later. */
export class HelloRenewal {
  readonly #options: { readonly clock: Clock; readonly renew: () => void };
  #timer: Timer | undefined;

  constructor(options: { readonly clock: Clock; readonly renew: () => void }) {
    this.#options = options;
  }

  /** HELLO has changed. */
  request(): void {
    this.#timer ??= this.#options.clock.setTimeout(() => this.#fire(), LATEST_MS);
  }

  /** No outcome waits for its confirmation any more. */
  allKept(): void {
    if (this.#timer !== undefined) this.#fire();
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  #fire(): void {
    this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
    this.#options.renew();
  }
}
