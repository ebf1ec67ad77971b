import type { GatewayId } from '@muster/protocol';
import type { PresenceDoubt, Registry } from '@muster/registry';
import type { Clock, Logger, Timer } from '@muster/runtime';

export interface GatewayAnswersOptions {
  readonly registry: Pick<Registry, 'gateways'>;
  readonly doubt: Pick<PresenceDoubt, 'isInDoubt'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_MS = 1_000;
/** A gateway that has never answered by then is of the version before, which does not. */
const OLD_VERSION_MS = 30_000;
/** Redis has not said by then which gateways there are. All that hear the bus have been asked many times, and agents have moved. */
const UNKNOWN_MS = 120_000;

/** Which gateways are to say that they have sent their keyframes: those with a lease, once it is known that these are all. */
export class GatewayAnswers {
  readonly #options: GatewayAnswersOptions;
  readonly #answering = new Set<GatewayId>();
  #known: { readonly atMs: number; readonly gateways: readonly GatewayId[] } | undefined;
  #timer: Timer | undefined;
  #isLooking = false;
  #isWanted = true;

  constructor(options: GatewayAnswersOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => void this.#look(), LOOK_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  heard(gateway: GatewayId): void {
    this.#answering.add(gateway);
  }

  /** Whether all that are there, as it was known after `sinceMs`, have answered. */
  areAll(answered: ReadonlySet<GatewayId>, sinceMs: number): boolean {
    const isWhole = this.#areAll(answered, sinceMs);
    // Nobody looks while nothing is missing.
    if (!isWhole) this.#isWanted = true;
    return isWhole;
  }

  #areAll(answered: ReadonlySet<GatewayId>, sinceMs: number): boolean {
    const forMs = this.#options.clock.monotonic() - sinceMs;
    if (this.#known === undefined || this.#known.atMs < sinceMs) return forMs >= UNKNOWN_MS;
    const isLate = forMs >= OLD_VERSION_MS;
    return this.#known.gateways.every((id) => answered.has(id) || (isLate && !this.#answering.has(id)));
  }

  async #look(): Promise<void> {
    const { registry, doubt, clock, logger } = this.#options;
    if (this.#isLooking || !this.#isWanted) return;
    [this.#isLooking, this.#isWanted] = [true, false];
    try {
      const atMs = clock.monotonic();
      const found = await registry.gateways();
      if (found.kind === 'unavailable' || (await doubt.isInDoubt())) return;
      this.#known = { atMs, gateways: found.gateways.map(({ gatewayId }) => gatewayId as GatewayId) };
    } catch (error) {
      logger.error('the gateways could not be listed', { err: error });
    } finally {
      this.#isLooking = false;
    }
  }
}
