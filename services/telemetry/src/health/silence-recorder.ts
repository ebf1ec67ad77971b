import type { Clock, Timer } from '@muster/runtime';

/** That an endpoint sends no samples any more, as it was seen when it left the table. */
export interface Silence {
  readonly num: number;
  readonly partition: number;
  /** By the gateway's clock, as the changes before. */
  readonly atMs: number;
  /** The newest sample. */
  readonly epoch: number;
  readonly sampleSeq: number;
}

export interface SilenceRecorderOptions {
  readonly clock: Pick<Clock, 'setTimeout' | 'clear'>;
  /** Begins to record it. Returns whether it is recorded already: if not, it is asked again. */
  readonly record: (silence: Silence) => boolean;
  /** Whether the endpoint sends samples again. */
  readonly isBack: (num: number) => boolean;
  /** A silence that will never be recorded: too many wait. */
  readonly onDropped: () => void;
}

const RETRY_MS = 500;
/** More than can be written at once, and few enough that a full broker costs no processor time. */
const RETRIED = 512;
/** Some 10 MB. Beyond, the one that waits for its turn longest goes: storage has been full for long by then. */
const MAX_PENDING = 100_000;

/**
 * Records the silence of endpoints, also when the broker takes nothing for a while. The endpoints are out of the table
 * by then: what cannot be recorded must not take the room of those that send.
 */
export class SilenceRecorder {
  readonly #options: SilenceRecorderOptions;
  readonly #pending = new Map<number, Silence>();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: SilenceRecorderOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#isStopped = true;
    this.#options.clock.clear(this.#timer);
  }

  /** Silent endpoints of which that is not recorded yet. */
  pending(): Iterable<number> {
    return this.#pending.keys();
  }

  add(silence: Silence): void {
    if (this.#options.record(silence)) return;
    this.#pending.set(silence.num, silence);
    if (this.#pending.size > MAX_PENDING) {
      const [first] = this.#pending.keys();
      this.#pending.delete(first as number);
      this.#options.onDropped();
    }
    this.#schedule();
  }

  /** The endpoint does not exist any more. */
  forget(num: number): void {
    this.#pending.delete(num);
  }

  /** Another instance owns these partitions now. */
  lost(partitions: ReadonlySet<number>): void {
    for (const { num, partition } of this.#pending.values()) if (partitions.has(partition)) this.#pending.delete(num);
  }

  #schedule(): void {
    if (this.#isStopped || this.#pending.size === 0) return;
    this.#timer ??= this.#options.clock.setTimeout(() => {
      this.#timer = undefined;
      this.#retry();
      this.#schedule();
    }, RETRY_MS);
  }

  #retry(): void {
    const { record, isBack } = this.#options;
    for (const silence of [...this.#pending.values()].slice(0, RETRIED)) {
      this.#pending.delete(silence.num);
      // To the end: the others have their turn first.
      if (!isBack(silence.num) && !record(silence)) this.#pending.set(silence.num, silence);
    }
  }
}
