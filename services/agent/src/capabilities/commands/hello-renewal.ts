import type { Clock, Timer } from '@muster/runtime/program';

/** A command that changed what HELLO says is reported over the session that it came on, if that can be. */
const LATEST_MS = 2_000;

/** When to open a new session because HELLO says something else now: when the outcome that led to it was confirmed, or soon after anyway. */
export class HelloRenewal {
  readonly #options: { readonly clock: Clock; readonly renew: () => void };
  #timer: Timer | undefined;

  constructor(options: { readonly clock: Clock; readonly renew: () => void }) {
    this.#options = options;
  }

  /** HELLO would say something else now. */
  request(): void {
    this.#timer ??= this.#options.clock.setTimeout(() => this.#fire(), LATEST_MS);
  }

  /** No outcome waits to be confirmed any more. */
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
