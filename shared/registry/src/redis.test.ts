import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
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

describe('a redis without memory', () => {
  it('takes no new session, goes on with leases, answers and goodbyes, and takes them again by itself', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'muster-registry-'));
    const redis = await startRedis({ dataDir, logger: silentLogger });
    const registry = await openRedisRegistry({ url: redis.url, logger: silentLogger });
    const session = (agentId: string) => ({
      ...{ org: 'acme', agentId, num: 1, instance: '0'.repeat(32), mode: 'live' as const, epochHint: 1 },
      connectedAtMs: 1,
    });
    const lease = { gatewayId: 'g1', ttlMs: 5_000, info: { sessions: 0, draining: false, startedAtMs: 1 } };
    try {
      expect((await registry.lease.renew(lease)).kind).toBe('renewed');
      const [known] = await registry.register('g1', [session('a')]);
      if (known?.kind !== 'registered') throw new Error('a session is not registered');
      expect(await registry.memory()).toMatchObject({ kind: 'memory', limitBytes: undefined });

      await tell(redis.port, 'CONFIG SET maxmemory 1000');
      const memory = await registry.memory();
      expect(memory).toMatchObject({ kind: 'memory', limitBytes: 1_000 });
      expect(memory.kind === 'memory' && memory.usedBytes).toBeGreaterThan(1_000);
      expect(await registry.register('g1', [session('b')])).toMatchObject([{ kind: 'unavailable' }]);
      expect((await registry.lease.renew(lease)).kind).toBe('renewed');
      expect(await registry.gateways()).toMatchObject({ kind: 'gateways', gateways: [{ gatewayId: 'g1' }] });
      expect(await registry.lookup(['a'])).toMatchObject({ kind: 'found' });
      expect(await registry.unregister([{ agentId: 'a', epoch: known.epoch }])).toMatchObject({ kind: 'unregistered' });

      await tell(redis.port, 'CONFIG SET maxmemory 0');
      expect(await registry.register('g1', [session('b')])).toMatchObject([{ kind: 'registered' }]);
    } finally {
      await registry.stop();
      await redis.stop();
      await rm(dataDir, { recursive: true });
    }
  });
});

/** Sends one inline command, and waits for its answer. */
async function tell(port: number, command: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.write(`${command}\r\n`);
  await once(socket, 'data');
  socket.destroy();
}

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
