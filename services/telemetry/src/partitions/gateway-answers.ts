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
  #isTold = false;

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

  /** Once: partitions that move stay not known for two minutes. The user of Redis may lack the rights to read. */
  #cannotList(err: Error): void {
    if (!this.#isTold) this.#options.logger.warn('the gateways cannot be listed in redis now', { err });
    this.#isTold = true;
  }

  async #look(): Promise<void> {
    const { registry, doubt, clock, logger } = this.#options;
    if (this.#isLooking || !this.#isWanted) return;
    [this.#isLooking, this.#isWanted] = [true, false];
    try {
      const atMs = clock.monotonic();
      const found = await registry.gateways();
      if (found.kind === 'unavailable') return this.#cannotList(found.cause);
      this.#isTold = false;
      if (await doubt.isInDoubt()) return;
      const gateways = found.gateways.map(({ gatewayId }) => gatewayId as GatewayId);
      this.#known = { atMs, gateways };
      for (const id of this.#answering) if (!gateways.includes(id)) this.#answering.delete(id);
    } catch (error) {
      logger.error('the gateways could not be listed', { err: error });
    } finally {
      this.#isLooking = false;
    }
  }
}
