import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient } from '@muster/api-client';
import { startStack, type Stack, type StackOptions } from '@muster/local';
import { startBrokers, type TestBrokers } from '@muster/testkit';
import type { ChannelBehaviour } from '../simulator/index.js';

/** The whole product for one test file: brokers, services, and a client of the API. */
export interface Harness {
  readonly brokers: TestBrokers;
  readonly stack: Stack;
  readonly api: ApiClient;
  close(): Promise<void>;
}

export async function startHarness(
  options: Partial<StackOptions> = {},
  startItsBrokers: () => Promise<TestBrokers> = startBrokers,
): Promise<Harness> {
  const brokers = await startItsBrokers();
  const folder = await mkdtemp(join(tmpdir(), 'muster-harness-'));
  const stack = await startStack({
    folder,
    natsUrl: brokers.nats.url,
    natsRights: process.env['MUSTER_TEST_NATS_RIGHTS'] === 'all' ? 'all' : 'own',
    redisUrl: brokers.redis.url,
    redisRights: hasUsers(brokers) ? 'own' : 'all',
    tls: false,
    // Only tests about host metrics need one.
    telemetries: 0,
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

/** Those that are started with a password have the users of services too. */
function hasUsers({ source, redis }: TestBrokers): boolean {
  return source === 'binaries' && new URL(redis.url).password !== '';
}

/** The gateways, organisation and enrolment secret for a simulated fleet. */
export function fleetOptions({ stack }: Pick<Harness, 'stack'>) {
  const [first, ...others] = stack.gateways.map(({ url }) => url);
  if (first === undefined) throw new Error('the stack has no gateway');
  return { gateways: [first, ...others] as [string, ...string[]], org: stack.org, enrolSecret: stack.enrollSecret };
}

/**
 * A fleet that stays on this channel. Its agents poll every second, each time at another gateway, as behind a load balancer without
 * stickiness.
 */
export function onChannel(mode: ChannelBehaviour['mode']): { readonly channel: Partial<ChannelBehaviour> } {
  return { channel: { mode, capable: false, pollIntervalMs: 1_000, scattered: true } };
}
