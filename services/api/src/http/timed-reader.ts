import { StreamError } from '@muster/bus';
import type { Clock, Timer } from '@muster/runtime';

/** An iterator whose next value can be waited for with a limit, without losing the value that comes later. */
export class TimedReader<T> {
  readonly #iterator: AsyncIterator<T>;
  readonly #clock: Clock;
  #pending: Promise<void> | undefined;
  #result: IteratorResult<T> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(source: AsyncIterable<T>, clock: Clock) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#clock = clock;
  }

  /** Whether a value is there to be taken at once. */
  get arrived(): boolean {
    return this.#result !== undefined && this.#result.done !== true;
  }

  async next(waitMs: number): Promise<T | 'ended' | 'timeout'> {
    this.#pending ??= this.#iterator.next().then(
      (result) => this.#settle(() => (this.#result = result)),
      (error: unknown) => this.#settle(() => (this.#failure = { error })),
    );
    if (this.#result === undefined && this.#failure === undefined) await this.#wait(waitMs);
    if (this.#failure !== undefined) {
      // A stream that was emptied holds nothing more of this query.
      if (this.#failure.error instanceof Error && this.#failure.error.name === StreamError.name) return 'ended';
      throw this.#failure.error;
    }
    const result = this.#result;
    if (result === undefined) return 'timeout';
    if (result.done === true) return 'ended';
    this.#result = undefined;
    this.#pending = undefined;
    return result.value;
  }

  /** Ends a wait now, with `nothing` if nothing has come. */
  nudge(): void {
    this.#wake?.();
  }

  async stop(): Promise<void> {
    await this.#pending;
    await this.#iterator.return?.();
  }

  #settle(note: () => void): void {
    note();
    this.#wake?.();
  }

  #wait(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer: Timer = this.#clock.setTimeout(done, waitMs);
      const clock = this.#clock;
      function done(): void {
        clock.clear(timer);
        resolve();
      }
      this.#wake = done;
    });
  }
}
