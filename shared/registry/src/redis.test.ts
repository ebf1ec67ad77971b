import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { freePort, startRedis, startRedisCluster, type BrokerHandle } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { Redis } from 'ioredis';
import { registryContract, type RegistryFixture } from './testing/index.js';
import { openRedisRegistry } from './redis-registry.js';

function fixtureOn(url: string, nodes: readonly BrokerHandle[], stop: () => Promise<void>): RegistryFixture {
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
    stop,
  };
}

registryContract('one redis', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'muster-registry-'));
  const redis = await startRedis({ dataDir, logger: silentLogger });
  return fixtureOn(redis.url, [redis], async () => {
    await redis.stop();
    await rm(dataDir, { recursive: true });
  });
});

registryContract('a redis cluster', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'muster-registry-'));
  const cluster = await startRedisCluster({ dataDir, logger: silentLogger });
  return fixtureOn(cluster.url, cluster.nodes, async () => {
    await cluster.stop();
    await rm(dataDir, { recursive: true });
  });
});

describe('a registry', () => {
  it('opens without redis, and answers unavailable', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    const registry = await openRedisRegistry({ url, logger: silentLogger, startTimeoutMs: 100 });
    expect(registry.connected).toBe(false);
    expect((await registry.generation()).kind).toBe('unavailable');
    await registry.stop();
  });

  it('refuses a URL that is not one of Redis', async () => {
    await expect(openRedisRegistry({ url: 'localhost:6379', logger: silentLogger })).rejects.toThrow(RangeError);
  });
});
