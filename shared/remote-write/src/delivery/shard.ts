import { fullJitter, sleep, type Clock, type Timer } from '@muster/runtime/program';
import type { DropReason } from '../series/drop-reason.js';
import type { Series } from '../series/series.js';
import type { SampleQueue } from '../queue/sample-queue.js';
import { since } from '../wire/sample-batch.js';
import type { Failure, Request, Sender } from './sender.js';

export interface ShardOptions {
  readonly queue: SampleQueue;
  readonly sender: Sender;
  readonly clock: Clock;
  /** A request has at most this many samples. */
  readonly batchSamples: number;
  /** A sample waits at most this long for others to share its request. */
  readonly batchAgeMs: number;
  readonly maxSampleAgeMs: number;
  readonly backoff: { readonly baseMs: number; readonly capMs: number };
  readonly events: ShardEvents;
}

/** What a shard reports. */
export interface ShardEvents {
  sent(samples: number): void;
  dropped(reason: DropReason, samples: number): void;
  failed(failure: Failure, detail: string): void;
}

/**
 * One queue and the one request that is under way from it. All samples of an endpoint go through the same shard, and a
 * shard sends its next request only when the one before is settled, so that the store sees each series in the sequence
 * of time.
 *
 *     waiting ── full, or old enough, or stopping ──▶ sending ── taken or refused ──▶ waiting
 *                                                      │   ▲
 *                                      429, 5xx, none  ▼   │ backoff, Retry-After
 *                                                     pausing
 */
export class Shard {
  readonly #options: ShardOptions;
  /** Aborted when no more samples come: what is queued goes at once. */
  readonly #closing = new AbortController();
  /** Aborted when there is no more time. */
  readonly #giveUp = new AbortController();
  #request: Request | undefined;
  #running: Promise<void> | undefined;
  #timer: Timer | undefined;
  #wake: () => void = () => undefined;
  #interrupt: () => void = () => undefined;

  constructor(options: ShardOptions) {
    this.#options = options;
  }

  /** Samples that wait or are in a request. */
  get pending(): number {
    return this.#options.queue.size + (this.#request?.batch.series.length ?? 0);
  }

  /** Time of the oldest sample that is not settled. */
  get oldestMs(): number | undefined {
    return this.#request?.batch.timesMs[0] ?? this.#options.queue.oldestMs;
  }

  push(series: Series, timeMs: number, value: number): void {
    const { queue, clock, batchAgeMs, batchSamples, events } = this.#options;
    if (this.#closing.signal.aborted) return events.dropped('stopped', 1);
    if (queue.push(series, timeMs, value) === 'displaced') events.dropped('queue_full', 1);
    if (queue.size >= batchSamples) this.#wake();
    else this.#timer ??= clock.setTimeout(() => this.#wake(), batchAgeMs);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Sends what waits, until `signal` is aborted; then drops the rest. Resolves when nothing is left. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#closing.abort();
    const giveUp = (): void => {
      this.#giveUp.abort();
      this.#interrupt();
    };
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    this.#wake();
    this.#interrupt();
    await this.#running;
    signal.removeEventListener('abort', giveUp);
    const { queue, clock, events } = this.#options;
    clock.clear(this.#timer);
    if (queue.size > 0) events.dropped('stopped', queue.take(queue.size).series.length);
  }

  async #run(): Promise<void> {
    const { queue, batchSamples } = this.#options;
    while (!this.#giveUp.signal.aborted) {
      await this.#ready();
      if (queue.size === 0 && this.#closing.signal.aborted) return;
      this.#request = { batch: queue.take(batchSamples) };
      await this.#deliver();
      this.#request = undefined;
    }
  }

  /** Resolves when a batch is full or its time is over. The timer runs since the first sample after the last batch. */
  async #ready(): Promise<void> {
    const { queue, clock, batchSamples, batchAgeMs } = this.#options;
    clock.clear(this.#timer);
    this.#timer = undefined;
    if (queue.size >= batchSamples || this.#closing.signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (queue.size > 0) this.#timer = clock.setTimeout(resolve, batchAgeMs);
    });
    this.#wake = () => undefined;
  }

  async #deliver(): Promise<void> {
    const { sender, events, backoff: bounds } = this.#options;
    const backoff = fullJitter(bounds);
    for (;;) {
      this.#dropTooOld();
      const samples = this.#request?.batch.series.length ?? 0;
      if (this.#request === undefined || samples === 0) return;
      const result = await sender.send(this.#request, this.#giveUp.signal);
      if (result.kind !== 'retry') {
        if (result.kind === 'rejected') events.failed('rejected', result.detail);
        if (result.written > 0) events.sent(result.written);
        const rest = samples - result.written;
        if (rest > 0) events.dropped(result.kind === 'rejected' ? 'rejected' : 'not_written', rest);
        return;
      }
      if (!this.#giveUp.signal.aborted) events.failed(result.failure, result.detail);
      await this.#pause(backoff.next(result.afterMs));
      if (this.#giveUp.signal.aborted) return events.dropped('stopped', samples);
    }
  }

  /** Ends early when the stop begins, for one more attempt at once, and when there is no more time. */
  async #pause(delayMs: number): Promise<void> {
    const interrupt = new AbortController();
    this.#interrupt = () => interrupt.abort();
    if (!this.#giveUp.signal.aborted) await sleep(this.#options.clock, delayMs, interrupt.signal);
    this.#interrupt = () => undefined;
  }

  /** A store refuses a request for one sample that is too old. */
  #dropTooOld(): void {
    const request = this.#request;
    const fromMs = this.#options.clock.now() - this.#options.maxSampleAgeMs;
    if (request === undefined || request.batch.timesMs.every((timeMs) => timeMs >= fromMs)) return;
    const batch = since(request.batch, fromMs);
    this.#options.events.dropped('too_old', request.batch.series.length - batch.series.length);
    this.#request = { batch };
  }
}
