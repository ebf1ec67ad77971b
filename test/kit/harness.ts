import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient } from '@muster/api-client';
import { startStack, type Stack, type StackOptions } from '@muster/local';
import { startBrokers, type TestBrokers } from '@muster/testkit';

/** The whole product for one test file: brokers, services, and a client of the API. */
export interface Harness {
  readonly brokers: TestBrokers;
  readonly stack: Stack;
  readonly api: ApiClient;
  close(): Promise<void>;
}

export async function startHarness(options: Partial<StackOptions> = {}): Promise<Harness> {
  const brokers = await startBrokers();
  const folder = await mkdtemp(join(tmpdir(), 'muster-harness-'));
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
