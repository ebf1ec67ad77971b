import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newPassword, servicePassword, startRedis, type BrokerHandle } from '@muster/local/brokers';
import { REDIS_RIGHTS, type RedisUser } from '@muster/messages';
import type { AgentId, OrgId } from '@muster/protocol';
import { openRedisRegistry, type Registry } from '@muster/registry';
import { silentLogger } from '@muster/runtime';
import { tellRedis } from '../kit/tell-redis.js';

const USERS = Object.keys(REDIS_RIGHTS) as RedisUser[];
const READERS = USERS.filter((user) => user !== 'gateway' && user !== 'posture');
const GATEWAY = 'gw-aaaa';
const ORG = 'acme' as OrgId;
const AGENT = 'a'.repeat(24) as AgentId;
const login = { user: 'default', password: newPassword() };
const session = { agentId: AGENT, org: ORG, num: 1, instance: 'i1', mode: 'live', connectedAtMs: 1_000 } as const;

let folder: string;
let redis: BrokerHandle;
let gateway: Registry;

const urlOf = (user: RedisUser): string => `redis://${user}:${servicePassword(login, user)}@127.0.0.1:${redis.port}`;
const open = (user: RedisUser): Promise<Registry> => openRedisRegistry({ url: urlOf(user), logger: silentLogger });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-redis-'));
  redis = await startRedis({ dataDir: folder, logger: silentLogger, login });
  gateway = await open('gateway');
});
afterAll(async () => {
  await gateway.stop();
  await redis.stop();
  await rm(folder, { recursive: true });
});

describe('users of Redis', () => {
  it('a gateway keeps its lease and its sessions, and gives them up', async () => {
    const info = { sessions: 0, draining: false, startedAtMs: 1 };
    expect(await gateway.lease.renew({ gatewayId: GATEWAY, ttlMs: 60_000, info })).toEqual({ kind: 'renewed' });
    const [registered] = await gateway.register(GATEWAY, [{ ...session, epochHint: 0 }]);
    expect(registered).toMatchObject({ kind: 'registered' });
    const epoch = registered?.kind === 'registered' ? registered.epoch : 0;
    expect(await gateway.resync(GATEWAY, [{ ...session, epoch }])).toEqual([{ kind: 'kept' }]);
    expect(await gateway.generation()).toMatchObject({ kind: 'generation' });
    expect(await gateway.memory()).toMatchObject({ kind: 'memory' });
  });

  it.each(READERS)('%s finds gateways and sessions', async (user) => {
    const registry = await open(user);
    expect(await registry.gateways()).toMatchObject({ kind: 'gateways', gateways: [{ gatewayId: GATEWAY }] });
    expect(await registry.lease.lapsed(1_000)).toEqual({ kind: 'gateways', gateways: [] });
    const found = await registry.lookup([AGENT]);
    expect(found.kind === 'found' && found.agents.get(AGENT)?.session?.gatewayId).toBe(GATEWAY);
    const pages = [];
    for await (const page of registry.scan(ORG)) pages.push(page);
    expect(JSON.stringify(pages)).toContain(AGENT);
    expect(await registry.memory()).toMatchObject({ kind: 'memory' });
    expect(await registry.generation()).toEqual(await gateway.generation());
    await registry.stop();
  });

  it.each(USERS.filter((user) => user !== 'gateway'))('%s changes nothing', async (user) => {
    const registry = await open(user);
    expect(await registry.unregister([{ agentId: AGENT, epoch: 1 }])).toMatchObject({ kind: 'unavailable' });
    expect(await registry.lease.drop(GATEWAY)).toMatchObject({ kind: 'unavailable' });
    for (const command of ['DEL muster:v1:{leases}:ends', 'HDEL muster:v1:{p00}:agents x', 'SET muster:v1:x 1'])
      expect([command, await tellRedis(urlOf(user), command)]).toEqual([command, expect.stringMatching(/NOPERM/)]);
    await registry.stop();
    expect(await gateway.lookup([AGENT])).toMatchObject({ kind: 'found' });
  });

  it.each(USERS)('%s has no command over the server, other users or other keys', async (user) => {
    for (const command of [
      ...['FLUSHALL', 'FLUSHDB', 'CONFIG GET *', 'KEYS *', 'SCAN 0', 'ACL LIST', 'ACL SETUSER x on', 'SHUTDOWN'],
      ...['DEBUG SLEEP 0', 'REPLICAOF NO ONE', 'MONITOR', 'CLIENT LIST', 'SCRIPT FLUSH', 'PUBLISH a b', 'SUBSCRIBE a'],
      ...['GET other', 'SET other 1', 'DEL muster:v1:x', 'EXPIRE muster:v1:x 1', 'RENAME muster:v1:x muster:v1:y'],
      `EVAL "return redis.call('FLUSHALL')" 0`,
      `EVAL "return redis.call('HSET', 'other', 'a', 'b')" 0`,
    ])
      expect([command, await tellRedis(urlOf(user), command)]).toEqual([
        command,
        expect.stringMatching(/NOPERM|not allowed|can't (run|access)/),
      ]);
  });

  it.each(READERS)(
    '%s does not know whose data these are after they were lost, until a gateway is there',
    async (user) => {
      const registry = await open(user);
      const before = await registry.generation();
      await tellRedis(`redis://default:${login.password}@127.0.0.1:${redis.port}`, 'FLUSHALL');
      expect(await registry.generation()).toMatchObject({ kind: 'unavailable' });
      const after = await gateway.generation();
      expect(after).not.toEqual(before);
      expect(await registry.generation()).toEqual(after);
      await registry.stop();
    },
  );

  it('who has no password is nobody', async () => {
    expect(await tellRedis(`redis://127.0.0.1:${redis.port}`, 'GET a')).toContain('NOAUTH');
  });
});
