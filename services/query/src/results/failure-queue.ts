import type { Failure } from '@muster/protocol';
import type { QueryLedger } from '../ledger/query-ledger.js';

/** Splits what a ledger has to say of failures into events of a bounded size. */
export class FailureQueue {
  #waiting: Failure[] = [];
  #head = 0;

  /** The next failures to write, about `maxBytes` of them; empty when there are none. */
  take(ledger: QueryLedger, maxBytes: number): Failure[] {
    if (this.#head >= this.#waiting.length) {
      this.#waiting = ledger.takeFailures();
      this.#head = 0;
    }
    const taken: Failure[] = [];
    for (let bytes = 0; this.#head < this.#waiting.length && bytes < maxBytes; this.#head += 1) {
      const failure = this.#waiting[this.#head];
      // The endpoint may have come back while its failure waited here.
      if (failure === undefined || !ledger.isCurrent(failure)) continue;
      bytes += 40 + failure[2].length + 3 * failure[3].length;
      taken.push(failure);
    }
    return taken;
  }
}
