import { join } from 'node:path';
import type { Logger } from '@muster/runtime';
import { natsAccess, startNats, startRedis, type BrokerHandle, type NatsHandle } from '../brokers/index.js';
import { ensureBrokerLogins } from '../stack/broker-logins.js';
import type { RunOptions } from './run-options.js';

/** The brokers of a local stack. Those that it did not start have no handle. */
export interface LocalBrokers {
  readonly natsUrl: string;
  readonly redisUrl: string;
  readonly nats: NatsHandle | undefined;
  readonly redis: BrokerHandle | undefined;
  stop(): Promise<void>;
}

/** Starts the brokers for which the options name no URL. When one does not start, the other is stopped again. */
export async function startLocalBrokers(options: RunOptions, logger: Logger): Promise<LocalBrokers> {
  const dataDir = (name: string): string => join(options.folder, 'data', name);
  const { nats: natsLogin, redis: login } = await ensureBrokerLogins(join(options.folder, 'keys'));
  const access = natsAccess(natsLogin);
  // One after the other: both may have to be installed, and the system's package manager takes one at a time.
  const nats =
    options.natsUrl === undefined ? await startNats({ dataDir: dataDir('nats'), logger, access }) : undefined;
  try {
    const redis =
      options.redisUrl === undefined ? await startRedis({ dataDir: dataDir('redis'), logger, login }) : undefined;
    return {
      natsUrl: options.natsUrl ?? nats?.url ?? '',
      redisUrl: options.redisUrl ?? redis?.url ?? '',
      nats,
      redis,
      stop: async () => {
        await Promise.all([nats?.stop(), redis?.stop()]);
      },
    };
  } catch (error) {
    await nats?.stop();
    throw error;
  }
}
