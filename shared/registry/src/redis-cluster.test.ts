import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedisCluster } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { registryContract } from './testing/index.js';
import { fixtureOn } from './testing/redis-fixture.js';

registryContract('a redis cluster', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'muster-registry-'));
  const cluster = await startRedisCluster({ dataDir, logger: silentLogger });
  return fixtureOn(cluster.url, cluster.nodes, async () => {
    await cluster.stop();
    await rm(dataDir, { recursive: true });
  });
});
