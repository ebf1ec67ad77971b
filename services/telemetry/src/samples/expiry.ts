import type { Clock, Timer } from '@muster/runtime';
import type { EndpointTable } from './endpoint-table.js';

export interface ExpiryOptions {
  readonly clock: Clock;
  readonly table: EndpointTable;
  /** Samples that are older are forgotten, or those that are older than three of the endpoint's own intervals if that is longer. */
  readonly expiryMs: number;
  /** For how long messages have come through without a gap: silence before is not the endpoint's. */
  readonly heardForMs: () => number;
  /** Its gateway is to say again how often samples come: an order may have made the interval longer after the last one. False: not now. */
  readonly ask: (slot: number) => boolean;
  readonly expire: (slot: number) => void;
}

const SWEEP_MS = 5_000;
const INTERVALS = 3;
/** Gateways answer within this time. */
const ANSWER_MS = 4_000;

/** Forgets endpoints that send no samples any more. */
export class Expiry {
  readonly #options: ExpiryOptions;
  /** When the gateway was asked, for each overdue slot. */
  readonly #askedMs = new Map<number, { readonly heardMs: number; readonly atMs: number }>();
  #timer: Timer | undefined;

  constructor(options: ExpiryOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.#sweep(), SWEEP_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  #sweep(): void {
    const { clock, table, expire } = this.#options;
    const nowMs = clock.monotonic();
    for (let slot = 0; slot < table.end; slot += 1) {
      if (table.nums[slot] === 0 || !this.#isOverdue(slot, nowMs)) this.#askedMs.delete(slot);
      else if (table.ended[slot] === 1 || this.#hasHadTime(slot, nowMs)) {
        expire(slot);
        this.#askedMs.delete(slot);
      }
    }
  }

  #isOverdue(slot: number, nowMs: number): boolean {
    const { table, expiryMs, heardForMs } = this.#options;
    const ownMs = INTERVALS * Math.max(table.gapsMs[slot] as number, table.everyMs[slot] as number);
    const silentMs = Math.min(nowMs - (table.heardMs[slot] as number), heardForMs());
    return silentMs > Math.max(expiryMs, ownMs);
  }

  /** Whether its gateway was asked, and has had time to answer. */
  #hasHadTime(slot: number, nowMs: number): boolean {
    const heardMs = this.#options.table.heardMs[slot] as number;
    const asked = this.#askedMs.get(slot);
    if (asked?.heardMs === heardMs) return nowMs - asked.atMs >= ANSWER_MS;
    if (this.#options.ask(slot)) this.#askedMs.set(slot, { heardMs, atMs: nowMs });
    return false;
  }
}
