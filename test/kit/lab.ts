import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack, type Stack, type StackOptions } from '@muster/local';
import { ApiClient } from './api-client.js';
import { startBrokers, type TestBrokers } from '@muster/testkit';

/** Everything that runs in production, started for one test file: brokers, services, and the API as its users see it. */
export interface Lab {
  readonly brokers: TestBrokers;
  readonly stack: Stack;
  readonly api: ApiClient;
  close(): Promise<void>;
}

export async function openLab(options: Partial<StackOptions> = {}): Promise<Lab> {
  const brokers = await startBrokers();
  const folder = await mkdtemp(join(tmpdir(), 'muster-lab-'));
  const stack = await startStack({
    folder,
    natsUrl: brokers.nats.url,
    redisUrl: brokers.redis.url,
    tls: false,
    ...options,
  });
  return {
    brokers,
    stack,
    api: new ApiClient(stack.apiUrl, stack.token),
    close: async () => {
      await stack.stop();
      await brokers.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
