import type { BrokerHandle } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { Redis } from 'ioredis';
import { openRedisRegistry } from '../redis-registry.js';
import type { RegistryFixture } from './registry-harness.js';

/** A fixture of the contract suite on real nodes of Redis. */
export function fixtureOn(url: string, nodes: readonly BrokerHandle[], stop: () => Promise<void>): RegistryFixture {
  return {
    open: (options = {}) => openRedisRegistry({ url, logger: silentLogger, startTimeoutMs: 20_000, ...options }),
    empty: async () => {
      for (const { port } of nodes) {
        const client = new Redis(port, '127.0.0.1');
        await client.flushall();
        client.disconnect();
      }
    },
    interrupt: async () => {
      await Promise.all(nodes.map((node) => node.kill9()));
    },
    restore: async () => {
      await Promise.all(nodes.map((node) => node.restart()));
    },
    freeze: async () => {
      await Promise.all(nodes.map((node) => node.freeze()));
    },
    resume: async () => {
      await Promise.all(nodes.map((node) => node.resume()));
    },
    stop,
  };
}
