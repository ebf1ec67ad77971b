import type { Clock, Timer } from '@muster/runtime';
import type { EndpointTable } from './endpoint-table.js';

export interface ExpiryOptions {
  readonly clock: Clock;
  readonly table: EndpointTable;
  /** Samples that are older are forgotten, and those that are older than three of the endpoint's own intervals if that is longer. */
  readonly expiryMs: number;
  readonly expire: (slot: number) => void;
}

const SWEEP_MS = 5_000;
const INTERVALS = 3;

/** Forgets endpoints that send no samples any more. */
export class Expiry {
  readonly #options: ExpiryOptions;
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
    const { clock, table, expiryMs, expire } = this.#options;
    const nowMs = clock.monotonic();
    for (let slot = 0; slot < table.end; slot += 1) {
      if (table.nums[slot] === 0) continue;
      const ageMs = nowMs - (table.heardMs[slot] as number);
      if (ageMs > expiryMs && ageMs > INTERVALS * (table.gapsMs[slot] as number)) expire(slot);
    }
  }
}
