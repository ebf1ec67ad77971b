import { shareNext, type Clock, type Timer } from '@muster/runtime';
import type { Registry } from './registry.js';

/** After messages did not get through, or data was lost, gateways renew their leases and register their sessions within this time. */
const SETTLE_MS = 15_000;
const REGISTERED_MS = 10_000;
/** How long an agent needs at most to leave a gateway that fell silent, and to get in elsewhere. */
const MOVED_MS = 120_000;
const CHECK_MS = 2_000;

export interface PresenceDoubtOptions {
  readonly registry: Pick<Registry, 'lease' | 'generation'>;
  readonly clock: Clock;
  /** For how long messages have got through the broker without a gap; 0 when they do not. */
  readonly heardForMs: () => number;
}

/**
 * Whether the registry may take connected agents for gone:
 * - Gateways renew their leases only while the broker carries their messages. Leases lapse while it does not, and their sessions go on.
 * - The registry lost its data a moment ago, and gateways have not registered all sessions again. Until the first of
 *   them has, who may only read
 *   finds no marker of its data.
 */
export class PresenceDoubt {
  readonly #options: PresenceDoubtOptions;
  #timer: Timer | undefined;
  #generation: string | undefined;
  #lostMs = Number.NEGATIVE_INFINITY;
  readonly #check = shareNext(() => this.#look());

  constructor(options: PresenceDoubtOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#timer = this.#options.clock.setInterval(() => void this.#check(), CHECK_MS);
    await this.#check();
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  /** To be asked after the registry has answered: what it lost meanwhile counts. */
  async isInDoubt(): Promise<boolean> {
    const { registry, clock, heardForMs } = this.#options;
    if (!(await this.#check())) return true;
    if (clock.monotonic() - this.#lostMs < REGISTERED_MS) return true;
    if (heardForMs() >= SETTLE_MS) return false;
    const lapsed = await registry.lease.lapsed(MOVED_MS);
    return lapsed.kind === 'unavailable' || lapsed.gateways.length > 0;
  }

  /** Whether the data are those of before, or lost, is known. */
  async #look(): Promise<boolean> {
    const { registry, clock } = this.#options;
    const found = await registry.generation();
    if (found.kind === 'unavailable') return false;
    if (this.#generation !== undefined && this.#generation !== found.value) this.#lostMs = clock.monotonic();
    this.#generation = found.value;
    return true;
  }
}
