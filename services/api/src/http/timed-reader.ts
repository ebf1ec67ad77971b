import { StreamError } from '@muster/bus';
import { AppError } from '@muster/protocol';
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

  /**
   * `lost`: the stream was deleted, or made anew, so it holds no more values. `ended`: the source has no more.
   * @throws AppError `broker_unavailable` when the stream cannot be read: that says nothing of what it holds
   */
  async next(waitMs: number): Promise<T | 'ended' | 'lost' | 'timeout'> {
    this.#pending ??= this.#iterator.next().then(
      (result) => this.#settle(() => (this.#result = result)),
      (error: unknown) => this.#settle(() => (this.#failure = { error })),
    );
    if (this.#result === undefined && this.#failure === undefined) await this.#wait(waitMs);
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      if (!(error instanceof StreamError)) throw error;
      if (error.code === 'no_stream' || error.code === 'stream_reset') return 'lost';
      throw new AppError('broker_unavailable', 'the stream broke off; connect again', { cause: error });
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
