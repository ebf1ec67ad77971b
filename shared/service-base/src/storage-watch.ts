import type { StreamStore } from '@muster/bus';
import { STREAMS } from '@muster/records';
import type { Registry } from '@muster/registry';
import type { Clock, Logger, Metrics } from '@muster/runtime';

interface StorageWatchOptions {
  readonly streams: Pick<StreamStore, 'storage'>;
  readonly registry: Pick<Registry, 'memory'>;
  /** What each server of the broker may store, where the broker does not tell what all of them may. */
  readonly limitBytes: number | undefined;
  /** How many servers have what is stored: the broker counts all of their copies. */
  readonly replicas?: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const PERIOD_MS = 15_000;
/** From here on somebody should make room. */
const NEARLY_FULL = 0.8;

/** Asks broker and registry how full they are, for the metrics, and logs when one of them becomes nearly full. */
export class StorageWatch {
  readonly #options: StorageWatchOptions;
  readonly #nearlyFull = new Set<string>();
  #timer: ReturnType<Clock['setTimeout']> | undefined;
  #stopped = false;
  #usedBytes: number | undefined;
  #brokerShare: number | undefined;
  #registryShare: number | undefined;
  #streams: ReadonlyMap<string, number> = new Map();
  #bounds: ReadonlyMap<string, number> = new Map();

  constructor(options: StorageWatchOptions) {
    this.#options = options;
    const { metrics } = options;
    const gauge = (name: string, help: string, read: () => number | undefined): void => {
      metrics.gauge({
        name: `muster_${metrics.service}_${name}`,
        help,
        collect: (one) => {
          // What is not known is no number: 0 would say that there is room.
          one.set(read() ?? Number.NaN);
        },
      });
    };
    gauge('broker_storage_bytes', 'What JetStream stores.', () => this.#usedBytes);
    gauge(
      'broker_storage_fill_ratio',
      'Share of its limit that JetStream stores; at 1 it takes nothing new.',
      () => this.#brokerShare,
    );
    gauge(
      'registry_memory_fill_ratio',
      'Share of its limit that Redis uses; at 1 it takes no new session.',
      () => this.#registryShare,
    );
    this.#measureStreams(metrics);
  }

  #measureStreams(metrics: Metrics): void {
    const definitions = Object.values(STREAMS);
    metrics.gauge({
      name: `muster_${metrics.service}_stream_bytes`,
      help: 'What JetStream stores of each stream of Muster.',
      labels: ['stream'],
      collect: (gauge) => {
        gauge.reset();
        for (const { name } of definitions) {
          const bytes = this.#streams.get(name);
          if (bytes !== undefined) gauge.set({ stream: name }, bytes);
        }
      },
    });
    metrics.gauge({
      name: `muster_${metrics.service}_stream_fill_ratio`,
      help: 'Share of its bound that a stream of Muster has; at 1 it drops its oldest entries, of all orgs.',
      labels: ['stream'],
      collect: (gauge) => {
        gauge.reset();
        for (const { name } of definitions) {
          const [bytes, bound] = [this.#streams.get(name), this.#bounds.get(name)];
          if (bytes !== undefined && bound !== undefined) gauge.set({ stream: name }, bytes / bound);
        }
      },
    });
  }

  start(): void {
    void this.#look();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#options.clock.clear(this.#timer);
  }

  async #look(): Promise<void> {
    const { clock } = this.#options;
    await Promise.all([this.#lookAtBroker(), this.#lookAtRegistry()]);
    if (!this.#stopped) this.#timer = clock.setTimeout(() => void this.#look(), PERIOD_MS);
  }

  /** What cannot be asked is not known any more: the last answer would be told for ever. */
  async #lookAtBroker(): Promise<void> {
    const { streams, limitBytes, replicas = 1, logger } = this.#options;
    const storage = await streams.storage().catch((error: unknown) => {
      logger.debug('storage cannot be asked for', { err: error });
      return undefined;
    });
    this.#usedBytes = storage?.usedBytes;
    this.#streams = storage?.streams ?? new Map();
    this.#bounds = storage?.bounds ?? new Map();
    const limit = storage?.limitBytes ?? (limitBytes === undefined ? undefined : limitBytes * replicas);
    this.#brokerShare = storage === undefined || limit === undefined ? undefined : storage.usedBytes / limit;
    this.#warn('the storage of nats', this.#brokerShare);
  }

  async #lookAtRegistry(): Promise<void> {
    const { registry, logger } = this.#options;
    const memory = await registry.memory().catch((error: unknown) => {
      logger.debug('the memory of the registry cannot be asked for', { err: error });
      return undefined;
    });
    const { usedBytes = 0, limitBytes } = memory?.kind === 'memory' ? memory : {};
    this.#registryShare = limitBytes === undefined ? undefined : usedBytes / limitBytes;
    this.#warn('the memory of redis', this.#registryShare);
  }

  #warn(what: string, share: number | undefined): void {
    if (share === undefined) return;
    if (share < NEARLY_FULL) {
      this.#nearlyFull.delete(what);
      return;
    }
    if (this.#nearlyFull.has(what)) return;
    this.#nearlyFull.add(what);
    this.#options.logger.warn('nearly full', { what, percent: Math.round(share * 100) });
  }
}
