import type { Failure } from '@muster/records';

/** Approximate size of a failure in an event, without its texts. */
const FAILURE_BYTES = 40;

/**
 * Endpoints that did not answer and why, and which of them were published. Changes between two events are published once, in their
 * latest state.
 */
export class FailureTracker {
  readonly #unpublished = new Map<number, Failure>();
  readonly #published = new Set<number>();
  readonly #recovered = new Set<number>();

  failed(failure: Failure): void {
    this.#unpublished.set(failure[0], failure);
  }

  /** The endpoint is waiting again, so it has no failure for now. */
  reopened(num: number): void {
    this.#unpublished.delete(num);
  }

  answered(num: number): void {
    this.reopened(num);
    if (this.#published.delete(num)) this.#recovered.add(num);
  }

  /** Removes and returns about `maxBytes` of new or changed failures; empty when there are none. */
  takeFailures(maxBytes: number): Failure[] {
    const taken: Failure[] = [];
    let bytes = 0;
    for (const [num, failure] of this.#unpublished) {
      if (bytes >= maxBytes) break;
      this.#unpublished.delete(num);
      this.#published.add(num);
      taken.push(failure);
      bytes += FAILURE_BYTES + failure[2].length + 3 * failure[3].length;
    }
    return taken;
  }

  /** Removes and returns up to `limit` endpoints that were published as failures and have answered since. */
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
