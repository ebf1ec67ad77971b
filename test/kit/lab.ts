import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient } from '@muster/api-client';
import { startStack, type Stack, type StackOptions } from '@muster/local';
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
    // A fast machine asks more often than an operator may.
    api: new ApiClient({ url: stack.apiUrl, token: stack.token, retry: { attempts: 20, maxPauseMs: 5_000 } }),
    close: async () => {
      await stack.stop();
      await brokers.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
