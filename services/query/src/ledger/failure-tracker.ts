import { OUTCOMES, type Outcome } from '@muster/protocol';
import { NumberTable, type Failure } from '@muster/records';
import { NumberQueue } from './number-queue.js';

/** Approximate size of a failure in an event, without its texts. */
const FAILURE_BYTES = 40;

/** Why endpoints did not answer: most of them say the same. */
interface Reason {
  readonly key: string;
  readonly outcome: Outcome;
  readonly code: string;
  readonly message: string;
  /** How many endpoints have it and were not published. */
  endpoints: number;
}

const codeOf = (outcome: Outcome): number => OUTCOMES.indexOf(outcome) + 1;
const outcomeOf = (code: number): Outcome | undefined => OUTCOMES[code - 1];

/**
 * Endpoints that did not answer and why, and which of them were published. Changes between two events are published once, in their
 * latest state. A million endpoints that fail for one reason are a million small integers.
 */
export class FailureTracker {
  /** Each endpoint's place in `#reasons`. */
  readonly #unpublished = new NumberTable();
  /** In the order in which they came; one that has recovered meanwhile is left out when it is taken. */
  readonly #order = new NumberQueue((num) => this.#unpublished.get(num) !== 0);
  readonly #reasons: (Reason | undefined)[] = [undefined];
  readonly #freed: number[] = [];
  readonly #known = new Map<string, number>();
  /** The one that was told last: those of one gateway come together. */
  #newest = 0;
  /** Codes of outcomes. */
  readonly #published = new NumberTable();
  readonly #recovered = new NumberTable();
  readonly #recoveredOrder = new NumberQueue((num) => this.#recovered.get(num) !== 0);
  readonly #listed: Partial<Record<Outcome, number>> = {};

  /** How many endpoints the events list as failures, by outcome. */
  get listed(): Readonly<Partial<Record<Outcome, number>>> {
    return this.#listed;
  }

  failed([num, outcome, code, message]: Failure): void {
    const before = this.#unpublished.get(num);
    const after = this.#reasonOf(outcome, code, message);
    this.#unpublished.set(num, after);
    if (before === 0) this.#order.push(num, this.#unpublished.size);
    else this.#release(before);
  }

  /** A failure that is in the result stream already. */
  restore(num: number, outcome: Outcome): void {
    this.#published.set(num, codeOf(outcome));
    this.#list(outcome, 1);
  }

  /** The endpoint is waiting again or has answered, so it has no failure. */
  recovered(num: number): void {
    const reason = this.#unpublished.get(num);
    if (reason !== 0) {
      this.#unpublished.set(num, 0);
      this.#release(reason);
    }
    const outcome = this.#published.get(num);
    if (outcome === 0) return;
    this.#published.set(num, 0);
    const isListed = this.#recovered.get(num) !== 0;
    this.#recovered.set(num, outcome);
    if (!isListed) this.#recoveredOrder.push(num, this.#recovered.size);
  }

  /** Removes and returns about `maxBytes` of new or changed failures; empty when there are none. Take those that recovered first. */
  takeFailures(maxBytes: number): Failure[] {
    const taken: Failure[] = [];
    let bytes = 0;
    while (bytes < maxBytes) {
      const num = this.#order.shift();
      if (num === undefined) break;
      const id = this.#unpublished.get(num);
      const reason = this.#reasons[id];
      if (reason === undefined) continue;
      const { outcome, code, message } = reason;
      this.#unpublished.set(num, 0);
      this.#release(id);
      this.#list(outcomeOf(this.#published.get(num)), -1);
      this.#published.set(num, codeOf(outcome));
      this.#list(outcome, 1);
      taken.push([num, outcome, code, message]);
      bytes += FAILURE_BYTES + code.length + 3 * message.length;
    }
    return taken;
  }

  /** Removes and returns up to `limit` endpoints that were published as failures and are none any more. */
  takeRecovered(limit: number): number[] {
    const taken: number[] = [];
    while (taken.length < limit) {
      const num = this.#recoveredOrder.shift();
      if (num === undefined) break;
      const outcome = outcomeOf(this.#recovered.get(num));
      this.#recovered.set(num, 0);
      this.#list(outcome, -1);
      taken.push(num);
    }
    return taken;
  }

  #reasonOf(outcome: Outcome, code: string, message: string): number {
    const newest = this.#reasons[this.#newest];
    if (newest?.outcome === outcome && newest.code === code && newest.message === message) {
      newest.endpoints += 1;
      return this.#newest;
    }
    // Agents choose both texts: with the length it is certain where the first one ends.
    const key = `${outcome} ${code.length} ${code}${message}`;
    const known = this.#known.get(key);
    const reason = known === undefined ? undefined : this.#reasons[known];
    if (known !== undefined && reason !== undefined) {
      reason.endpoints += 1;
      this.#newest = known;
      return known;
    }
    const id = this.#freed.pop() ?? this.#reasons.length;
    this.#reasons[id] = { key, outcome, code, message, endpoints: 1 };
    this.#known.set(key, id);
    this.#newest = id;
    return id;
  }

  /** One endpoint less has it: a reason that nobody has is forgotten. */
  #release(id: number): void {
    const reason = this.#reasons[id];
    if (reason === undefined) return;
    reason.endpoints -= 1;
    if (reason.endpoints > 0) return;
    this.#reasons[id] = undefined;
    this.#freed.push(id);
    this.#known.delete(reason.key);
  }

  #list(outcome: Outcome | undefined, change: 1 | -1): void {
    if (outcome !== undefined) this.#listed[outcome] = (this.#listed[outcome] ?? 0) + change;
  }
}
