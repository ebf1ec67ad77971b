import { join } from 'node:path';
import type { Logger } from '@muster/runtime';
import {
  keepRunning,
  natsAccess,
  startNats,
  startRedis,
  type BrokerHandle,
  type NatsHandle,
} from '../brokers/index.js';
import { ensureBrokerLogins } from '../stack/broker-logins.js';
import type { RunOptions } from './run-options.js';
import { storeLimitBytes } from './store-limit.js';

/** The brokers of a local stack. Those that it did not start have no handle. */
export interface LocalBrokers {
  readonly natsUrl: string;
  readonly redisUrl: string;
  /** What the NATS that was started may store. */
  readonly storageLimitBytes: number | undefined;
  readonly nats: NatsHandle | undefined;
  readonly redis: BrokerHandle | undefined;
  stop(): Promise<void>;
}

/** Starts the brokers for which the options name no URL, and again when they end. When one does not start, the other is stopped again. */
export async function startLocalBrokers(
  options: RunOptions,
  logger: Logger,
  onEvent: (text: string) => void,
): Promise<LocalBrokers> {
  const dataDir = (name: string): string => join(options.folder, 'data', name);
  const { nats: natsLogin, redis: login } = await ensureBrokerLogins(join(options.folder, 'keys'));
  const access = natsAccess(natsLogin);
  // One after the other: both may have to be installed, and the system's package manager takes one at a time.
  const maxStoreBytes = options.natsUrl === undefined ? await storeLimitBytes(dataDir('nats')) : undefined;
  const nats =
    maxStoreBytes === undefined
      ? undefined
      : await startNats({ dataDir: dataDir('nats'), logger, access, maxStoreBytes });
  try {
    const redis =
      options.redisUrl === undefined ? await startRedis({ dataDir: dataDir('redis'), logger, login }) : undefined;
    const stopping = new AbortController();
    const keep = async (name: string, broker: BrokerHandle | undefined): Promise<void> => {
      if (broker !== undefined) await keepRunning(broker, { name, onEvent, signal: stopping.signal });
    };
    const kept = [keep('nats', nats), keep('redis', redis)];
    return {
      natsUrl: options.natsUrl ?? nats?.url ?? '',
      redisUrl: options.redisUrl ?? redis?.url ?? '',
      storageLimitBytes: maxStoreBytes,
      nats,
      redis,
      stop: async () => {
        stopping.abort();
        // A start that is under way ends first.
        await Promise.all(kept);
        await Promise.all([nats?.stop(), redis?.stop()]);
      },
    };
  } catch (error) {
    await nats?.stop();
    throw error;
  }
}
