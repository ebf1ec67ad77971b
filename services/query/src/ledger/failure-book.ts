import type { Failure } from '@muster/records';

/** About what a failure takes up in an event, besides its texts. */
const FAILURE_BYTES = 40;

/** Who did not answer and why, and what viewers were told of it: what changes between two events is told once, as it stands then. */
export class FailureBook {
  readonly #failures = new Map<number, Failure>();
  readonly #told = new Set<number>();
  readonly #untold = new Set<number>();
  readonly #recovered = new Set<number>();

  /** The endpoint will not answer. */
  failed(failure: Failure): void {
    this.#failures.set(failure[0], failure);
    this.#untold.add(failure[0]);
  }

  /** The endpoint is waited for again: whether it failed is open. */
  reopened(num: number): void {
    if (this.#failures.delete(num)) this.#untold.delete(num);
  }

  /** The endpoint answered after all. */
  answered(num: number): void {
    this.reopened(num);
    if (this.#told.delete(num)) this.#recovered.add(num);
  }

  /** Takes out about `maxBytes` of failures that are new or changed; empty when there are none. */
  takeFailures(maxBytes: number): Failure[] {
    const taken: Failure[] = [];
    let bytes = 0;
    for (const num of this.#untold) {
      if (bytes >= maxBytes) break;
      this.#untold.delete(num);
      const failure = this.#failures.get(num);
      if (failure === undefined) continue;
      this.#told.add(num);
      taken.push(failure);
      bytes += FAILURE_BYTES + failure[2].length + 3 * failure[3].length;
    }
    return taken;
  }

  /** Takes out up to `limit` endpoints that were told of as failures and have answered since. */
  takeRecovered(limit: number): number[] {
    const taken: number[] = [];
    for (const num of this.#recovered) {
      if (taken.length >= limit) break;
      this.#recovered.delete(num);
      taken.push(num);
    }
    return taken;
  }
}
