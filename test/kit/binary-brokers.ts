import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNats, startRedis } from '@muster/local/brokers';
import type { Logger } from '@muster/runtime';
import type { TestBrokers } from './brokers.js';

/** {@link TestBrokers} from the programs of this machine. */
export async function startBinaryBrokers(logger: Logger): Promise<TestBrokers> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-test-'));
  // One after the other: both may have to be installed, and a package manager takes one at a time.
  const nats = await startNats({ dataDir: join(folder, 'nats'), logger });
  try {
    const redis = await startRedis({ dataDir: join(folder, 'redis'), logger });
    return {
      way: 'binaries',
      nats,
      redis,
      stop: async () => {
        await Promise.all([nats.stop(), redis.stop()]);
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await nats.stop();
    throw error;
  }
}
