import type { Bus, BusMessage, BusSubscription } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type PackChecksRequest } from '@muster/messages';
import type { Logger } from '@muster/runtime';
import type { PackLibrary } from './pack-library.js';

/** Gives gateways the checks that their endpoints do not have. Each gateway asks once for each version. */
export class PackChecks {
  readonly #options: {
    readonly bus: Pick<Bus, 'subscribe'>;
    readonly packs: Pick<PackLibrary, 'version'>;
    readonly logger: Logger;
  };
  #subscription: BusSubscription | undefined;

  constructor(options: {
    readonly bus: Pick<Bus, 'subscribe'>;
    readonly packs: Pick<PackLibrary, 'version'>;
    readonly logger: Logger;
  }) {
    this.#options = options;
  }

  start(): void {
    this.#subscription = this.#options.bus.subscribe(SUBJECTS.packs, (message) => void this.#answer(message), {
      queue: 'posture',
    });
  }

  stop(): void {
    this.#subscription?.unsubscribe();
  }

  async #answer({ data, reply }: BusMessage): Promise<void> {
    const request = decodeBusMessage<PackChecksRequest>(data, 'pack_checks');
    if (request === undefined) return;
    try {
      const record = await this.#options.packs.version(request.org, request.id, request.hash);
      reply?.(
        encodeBusMessage(record === undefined ? { t: 'pack_unknown' } : { t: 'pack_checks', bytes: record.bytes }),
      );
    } catch (error) {
      // The gateway asks again.
      this.#options.logger.warn('a gateway asks for checks that cannot be read', { pack: request.id, err: error });
    }
  }
}
