import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort, startRedis, type BrokerHandle } from '@muster/local/brokers';
import { createMetrics, silentLogger, type Logger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { KEYS } from './partition.js';
import { LuaScript, RedisConnection } from './redis-connection.js';
import { createRegistryMetrics } from './registry-metrics.js';
import { openRedisRegistry } from './redis-registry.js';
import { INFO, registration, heldSession } from './testing/registry-harness.js';

let dataDir: string;
let redis: BrokerHandle;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'muster-registry-'));
  redis = await startRedis({ dataDir, logger: silentLogger });
});
afterAll(async () => {
  await redis.stop();
  await rm(dataDir, { recursive: true });
});

describe('a connection to Redis', () => {
  let connection: RedisConnection;
  const logged: string[] = [];
  const logger = {
    ...silentLogger,
    info: (message: string) => void logged.push(message),
    warn: (message: string) => void logged.push(message),
  } as unknown as Logger;
  beforeEach(async () => {
    logged.length = 0;
    connection = new RedisConnection(redis.url, logger);
    if (connection.connected || !(await connection.whenReady(10_000))) throw new Error('not ready');
  });
  afterEach(() => connection.stop());

  it('is known to be there, and not any more when it was stopped', async () => {
    expect([connection.connected, await connection.whenReady(0)]).toEqual([true, true]);
    connection.stop();
    await eventually(() => !connection.connected);
    expect(await connection.whenReady(10)).toBe(false);
    await expect(connection.get('x')).rejects.toThrow(Error);
    expect(logged).toHaveLength(1);
  });

  it('runs a script that Redis has not cached, and again when it has', async () => {
    const script = new LuaScript(`return { KEYS[1], ARGV[1], '${Math.random()}' }`);
    expect(script.sha).toMatch(/^[0-9a-f]{40}$/);
    const first = await connection.run(script, ['key'], ['argument']);
    expect(first).toEqual(['key', 'argument', expect.any(String)]);
    expect(await connection.run(script, ['key'], ['argument'])).toEqual(first);
  });

  it('passes on the failure of a script', async () => {
    await expect(connection.run(new LuaScript(`return redis.call('NOTHING')`), [], [])).rejects.toThrow(
      /NOTHING|nknown/,
    );
  });

  it('reads and writes what the registry needs', async () => {
    await connection.setIfAbsent('one', 'first');
    await connection.setIfAbsent('one', 'second');
    expect([await connection.get('one'), await connection.get('none')]).toEqual(['first', null]);
    await connection.run(new LuaScript(`return redis.call('HSET', KEYS[1], 'a', '1', 'b', '2')`), ['hash'], []);
    expect(await connection.hmget('hash', ['b', 'c'])).toEqual(['2', null]);
    expect(await connection.hscan('hash', '0', 10)).toEqual(['0', ['a', '1', 'b', '2']]);
  });

  it('that is lost is told, not at each attempt, and comes back by itself', async () => {
    await redis.kill9();
    await eventually(() => !connection.connected);
    await eventually(() => logged.length >= 2, 'the loss');
    await redis.restart();
    await eventually(() => connection.connected, 'the connection');
    const [first, second] = [logged.at(0), logged.at(-1)];
    expect([first, second]).toEqual(['connected to redis', 'connected to redis']);
    expect(logged.filter((message) => /lost|not reachable/.test(message)).length).toBeGreaterThan(0);
    expect(logged.length).toBeLessThanOrEqual(4);
  });
});

describe('where there is no Redis', () => {
  it('whoever waits for it goes on after a time', async () => {
    const connection = new RedisConnection(`redis://127.0.0.1:${await freePort()}`, silentLogger);
    const startedAt = performance.now();
    expect(await connection.whenReady(200)).toBe(false);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(150);
    connection.stop();
    const cluster = new RedisConnection(`redis-cluster://127.0.0.1:${await freePort()}`, silentLogger);
    expect([cluster.connected, await cluster.whenReady(50)]).toEqual([false, false]);
    cluster.stop();
  });
});

describe('metrics of the registry', () => {
  it('count answered commands with their time, and those that were not answered', async () => {
    const metrics = createMetrics('demo');
    let connected = true;
    const registry = await openRedisRegistry({
      url: redis.url,
      logger: silentLogger,
      metrics: createRegistryMetrics(metrics, () => connected),
    });
    await registry.lease.renew({ gatewayId: 'gw-a', ttlMs: 10_000, info: INFO });
    const before = await metrics.registry.metrics();
    expect(before).toMatch(/^muster_demo_registry_command_seconds_count [1-9]/m);
    expect(before).toMatch(/^muster_demo_registry_failures_total 0$/m);
    expect(before).toMatch(/^muster_demo_registry_connected 1$/m);
    await registry.stop();
    connected = false;
    await registry.lookup(['agent-1']);
    const after = await metrics.registry.metrics();
    expect(after).toMatch(/^muster_demo_registry_failures_total [1-9]/m);
    expect(after).toMatch(/^muster_demo_registry_connected 0$/m);
  });
});

describe('a registry', () => {
  it('has all that the port promises, on one connection', async () => {
    const registry = await openRedisRegistry({ url: redis.url, logger: silentLogger });
    expect(registry.connected).toBe(true);
    expect(await registry.lease.renew({ gatewayId: 'gw-a', ttlMs: 10_000, info: INFO })).toEqual({ kind: 'renewed' });
    expect(await registry.gateways()).toMatchObject({ kind: 'gateways', gateways: [{ gatewayId: 'gw-a' }] });
    const [registered] = await registry.register('gw-a', [registration()]);
    expect(registered).toMatchObject({ kind: 'registered' });
    const epoch = registered?.kind === 'registered' ? registered.epoch : 0;
    expect(await registry.lookup(['agent-1'])).toMatchObject({ kind: 'found' });
    const pages = [];
    for await (const page of registry.scan('acme')) pages.push(page);
    expect(pages).toMatchObject([{ kind: 'page', entries: [{ agentId: 'agent-1', gatewayId: 'gw-a', epoch }] }]);
    expect(await registry.resync('gw-a', [heldSession({ epoch })])).toEqual([{ kind: 'kept' }]);
    expect(await registry.unregister([{ agentId: 'agent-1', epoch }])).toEqual({ kind: 'unregistered', count: 1 });
    expect(await registry.lease.drop('gw-a')).toEqual({ kind: 'dropped' });
    expect(await registry.gateways()).toEqual({ kind: 'gateways', gateways: [] });
    await registry.stop();
    expect((await registry.lookup(['agent-1'])).kind).toBe('unavailable');
    expect((await registry.lease.drop('gw-a')).kind).toBe('unavailable');
    expect((await registry.lease.renew({ gatewayId: 'gw-a', ttlMs: 1, info: INFO })).kind).toBe('unavailable');
  });

  it('says by its generation whether any part of its data was lost', async () => {
    const [one, other] = await Promise.all(
      [1, 2].map(() => openRedisRegistry({ url: redis.url, logger: silentLogger })),
    );
    const before = await one!.generation();
    expect(before).toMatchObject({ kind: 'generation', value: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(await other!.generation()).toEqual(before);
    const connection = new RedisConnection(redis.url, silentLogger);
    await connection.whenReady(10_000);
    await connection.run(new LuaScript(`return redis.call('DEL', KEYS[1])`), [KEYS.generation(17)], []);
    const after = await other!.generation();
    expect([after.kind, await one!.generation()]).toEqual(['generation', after]);
    expect(after).not.toEqual(before);
    connection.stop();
    for (const each of [one, other]) await each!.stop();
    expect((await one!.generation()).kind).toBe('unavailable');
  });

  it('refuses an agent that changes hands more than five times a minute', async () => {
    const registry = await openRedisRegistry({ url: redis.url, logger: silentLogger });
    await registry.lease.renew({ gatewayId: 'gw-flap', ttlMs: 10_000, info: INFO });
    const kinds: string[] = [];
    for (let n = 0; n < 7; n += 1) {
      const [result] = await registry.register('gw-flap', [registration({ agentId: 'flapping', connectedAtMs: n })]);
      kinds.push(result?.kind ?? '');
    }
    expect(kinds).toEqual([...Array<string>(6).fill('registered'), 'duplicate']);
    await registry.stop();
  });
});
