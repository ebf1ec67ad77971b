import { StreamError } from '@muster/bus';
import type { Clock, Timer } from '@muster/runtime';

/** Reads an async iterable with a time limit per value. A value that arrives after the limit is returned by the next call. */
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

  async next(waitMs: number): Promise<T | 'ended' | 'timeout'> {
    this.#pending ??= this.#iterator.next().then(
      (result) => this.#settle(() => (this.#result = result)),
      (error: unknown) => this.#settle(() => (this.#failure = { error })),
    );
    if (this.#result === undefined && this.#failure === undefined) await this.#wait(waitMs);
    if (this.#failure !== undefined) {
      // The stream was deleted or purged: it holds no more values.
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
