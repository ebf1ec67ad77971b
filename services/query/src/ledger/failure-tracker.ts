import type { Outcome } from '@muster/protocol';
import type { Failure } from '@muster/records';

/** Approximate size of a failure in an event, without its texts. */
const FAILURE_BYTES = 40;

/**
 * Endpoints that did not answer and why, and which of them were published. Changes between two events are published once, in their
 * latest state.
 */
export class FailureTracker {
  readonly #unpublished = new Map<number, Failure>();
  readonly #published = new Map<number, Outcome>();
  readonly #recovered = new Map<number, Outcome>();
  readonly #listed: Partial<Record<Outcome, number>> = {};

  /** How many endpoints the events list as failures, by outcome. */
  get listed(): Readonly<Partial<Record<Outcome, number>>> {
    return this.#listed;
  }

  failed(failure: Failure): void {
    this.#unpublished.set(failure[0], failure);
  }

  /** A failure that is in the result stream already. */
  restore(num: number, outcome: Outcome): void {
    this.#published.set(num, outcome);
    this.#list(outcome, 1);
  }

  /** The endpoint is waiting again or has answered, so it has no failure. */
  recovered(num: number): void {
    this.#unpublished.delete(num);
    const outcome = this.#published.get(num);
    if (outcome === undefined) return;
    this.#published.delete(num);
    this.#recovered.set(num, outcome);
  }

  /** Removes and returns about `maxBytes` of new or changed failures; empty when there are none. Take those that recovered first. */
  takeFailures(maxBytes: number): Failure[] {
    const taken: Failure[] = [];
    let bytes = 0;
    for (const [num, failure] of this.#unpublished) {
      if (bytes >= maxBytes) break;
      this.#unpublished.delete(num);
      this.#list(this.#published.get(num), -1);
      this.#published.set(num, failure[1]);
      this.#list(failure[1], 1);
      taken.push(failure);
      bytes += FAILURE_BYTES + failure[2].length + 3 * failure[3].length;
    }
    return taken;
  }

  /** Removes and returns up to `limit` endpoints that were published as failures and are none any more. */
  takeRecovered(limit: number): number[] {
    const taken: number[] = [];
    for (const [num, outcome] of this.#recovered) {
      if (taken.length >= limit) break;
      this.#recovered.delete(num);
      this.#list(outcome, -1);
      taken.push(num);
    }
    return taken;
  }

  #list(outcome: Outcome | undefined, change: 1 | -1): void {
    if (outcome !== undefined) this.#listed[outcome] = (this.#listed[outcome] ?? 0) + change;
  }
}
