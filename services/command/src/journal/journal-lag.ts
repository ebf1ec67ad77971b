import type { Clock } from '@muster/runtime';

/**
 * How far the projection is behind the journal, in time: the age of an entry that the broker has acknowledged to this process and that this
 * process has not read back. It follows one entry at a time, so it costs nothing while the journal stands still.
 */
export class JournalLag {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #waitsFor: { readonly seq: number; readonly sinceMs: number } | undefined;
  #readSeq = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  appended(seq: number): void {
    if (seq > this.#readSeq) this.#waitsFor ??= { seq, sinceMs: this.#clock.monotonic() };
  }

  read(seq: number): void {
    this.#readSeq = seq;
    if (this.#waitsFor !== undefined && seq >= this.#waitsFor.seq) this.#waitsFor = undefined;
  }

  /** The journal was lost, or is read again from its start: sequences begin anew. */
  reset(): void {
    this.#waitsFor = undefined;
    this.#readSeq = 0;
  }

  seconds(): number {
    return this.#waitsFor === undefined ? 0 : (this.#clock.monotonic() - this.#waitsFor.sinceMs) / 1_000;
  }
}
