import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { freePort, startRedis } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { openRedisRegistry } from './redis-registry.js';
import { registryContract } from './testing/index.js';
import { fixtureOn } from './testing/redis-fixture.js';

registryContract('one redis', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'muster-registry-'));
  const redis = await startRedis({ dataDir, logger: silentLogger });
  return fixtureOn(redis.url, [redis], async () => {
    await redis.stop();
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
