import type { GatewayId } from '@muster/protocol';
import { NumberTable } from '@muster/records';
import { gatewayOf, isPolled, STATES, stateOf, WAITING, type Entry } from './endpoint-state.js';
import { PollTracker, type Polling } from './poll-tracker.js';

/** Where an endpoint waits that has left its gateway for one that has not asked it yet. */
export const BETWEEN = 0;

/**
 * The entry of every endpoint of one query, by its number, and what is counted of them. Only `set` changes an entry, so
 * that counts cannot drift.
 */
export class EndpointTable {
  /** One more than the entry: there is an entry 0. */
  readonly #entries = new NumberTable();
  readonly #counts = Array.from(STATES, () => 0);
  readonly #gateways = new Map<GatewayId, number>();
  /** The one that was asked for last: an update has thousands of endpoints of one gateway. */
  #newest: { readonly gateway: GatewayId; readonly index: number } | undefined;
  /** By the index of a gateway; the first is {@link BETWEEN}. */
  readonly #waitingAt: number[] = [0];
  readonly #polls = new PollTracker();
  #version = 0;

  /** Rises with every change of any endpoint's state. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The waiting endpoints that poll; `undefined` when there are none. */
  get polling(): Polling | undefined {
    return this.#polls.summary();
  }

  get(num: number): Entry | undefined {
    const stored = this.#entries.get(num);
    return stored === 0 ? undefined : stored - 1;
  }

  /** All endpoints; their entries may change meanwhile. */
  forEach(see: (num: number, entry: Entry) => void): void {
    this.#entries.forEach((num, stored) => see(num, stored - 1));
  }

  /** How many endpoints are in this state. */
  count(state: number): number {
    return this.#counts[state] ?? 0;
  }

  /** How many endpoints wait at the gateway with this index. */
  waitingAt(index: number): number {
    return this.#waitingAt[index] ?? 0;
  }

  /** The index of a gateway; a new one gets the next. */
  indexOf(gateway: GatewayId): number {
    if (this.#newest?.gateway === gateway) return this.#newest.index;
    const index = this.#gateways.get(gateway) ?? this.#waitingAt.length;
    if (index === this.#waitingAt.length) {
      this.#gateways.set(gateway, index);
      this.#waitingAt.push(0);
    }
    this.#newest = { gateway, index };
    return index;
  }

  /** The index of a gateway; `undefined` when it is not known. */
  knownIndexOf(gateway: GatewayId): number | undefined {
    return this.#gateways.get(gateway);
  }

  /** The last polling endpoint that waits at this gateway is due no sooner than this (wall clock). */
  pollsDue(index: number, dueMs: number): void {
    this.#polls.due(index, dueMs);
  }

  /** `before`: its entry until now. */
  set(num: number, before: Entry | undefined, after: Entry): void {
    this.#version += 1;
    const dueMs = before !== undefined && isPolled(before) ? this.#polls.dueAt(gatewayOf(before)) : 0;
    if (before !== undefined) this.#count(before, -1);
    this.#count(after, 1);
    if (isPolled(after)) this.#polls.due(gatewayOf(after), dueMs);
    this.#entries.set(num, after + 1);
  }

  #count(entry: Entry, change: 1 | -1): void {
    const state = stateOf(entry);
    this.#counts[state] = (this.#counts[state] ?? 0) + change;
    if (state !== WAITING) return;
    const gateway = gatewayOf(entry);
    this.#waitingAt[gateway] = (this.#waitingAt[gateway] ?? 0) + change;
    if (isPolled(entry)) this.#polls.count(gateway, change);
  }
}
