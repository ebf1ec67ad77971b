import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedisCluster } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { openRedisRegistry } from './redis-registry.js';
import { registryContract } from './testing/index.js';
import { INFO, registration } from './testing/registry-harness.js';
import { fixtureOn } from './testing/redis-fixture.js';

registryContract('a redis cluster', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'muster-registry-'));
  const cluster = await startRedisCluster({ dataDir, logger: silentLogger });
  return fixtureOn(cluster.url, cluster.nodes, async () => {
    await cluster.stop();
    await rm(dataDir, { recursive: true });
  });
});

let dataDir: string;
let cluster: Awaited<ReturnType<typeof startRedisCluster>>;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'muster-registry-'));
  cluster = await startRedisCluster({ dataDir, logger: silentLogger });
});
afterAll(async () => {
  await cluster.stop();
  await rm(dataDir, { recursive: true });
});

it('a node of a cluster that stands still costs nothing after two seconds, and what the others have stays usable', async () => {
  const registry = await openRedisRegistry({ url: cluster.url, logger: silentLogger, startTimeoutMs: 20_000 });
  const agents = Array.from({ length: 300 }, (_, i) => registration({ agentId: `agent-${i}` }));
  await registry.lease.renew({ gatewayId: 'gw-a', ttlMs: 60_000, info: INFO });
  const kinds = async () => {
    const startedMs = performance.now();
    const results = await registry.register('gw-a', agents);
    return { ms: performance.now() - startedMs, kinds: new Set(results.map(({ kind }) => kind)) };
  };
  expect((await kinds()).kinds).toEqual(new Set(['registered']));
  // The leases are on another node.
  const [first, second] = cluster.nodes;
  for (const node of [first, second]) {
    await node?.freeze();
    await kinds();
    if ((await kinds()).kinds.size === 2) break;
    await node?.resume();
    await eventually(async () => (await kinds()).kinds.has('registered'));
  }
  for (let n = 0; n < 10; n += 1) {
    const { ms, kinds: found } = await kinds();
    expect(found).toEqual(new Set(['registered', 'unavailable']));
    expect(ms).toBeLessThan(500);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(registry.fault).toMatch('does not answer');
  for (const node of cluster.nodes) await node.resume();
  await eventually(async () => (await kinds()).kinds.size === 1 && registry.connected, 'the cluster');
  await registry.stop();
});
