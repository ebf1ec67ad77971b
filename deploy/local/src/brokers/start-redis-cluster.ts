import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Logger } from '@muster/runtime';
import { BrokerStartError, startOnPort, type BrokerHandle } from './broker-process.js';
import { findBinary } from './find-binary.js';
import { ensureBinary } from './find-broker.js';
import { freePortPair } from './free-port.js';
import { clusterIsComplete, redisAnswers, until } from './probe.js';
import { runCommand } from './run-command.js';
import { redisArgs } from './start-redis.js';

export interface StartRedisClusterOptions {
  readonly dataDir: string;
  readonly logger: Logger;
  /** Masters, without replicas; at least 3, the default. */
  readonly masters?: number;
}

export interface RedisClusterHandle {
  /** `redis-cluster://host:port,host:port,host:port` */
  readonly url: string;
  readonly nodes: readonly BrokerHandle[];
  stop(): Promise<void>;
}

/** A node's cluster bus listens this far above its port. */
const CLUSTER_BUS_OFFSET = 10_000;

/** Starts a Redis Cluster from the redis-server on this machine and waits until every node serves all slots. */
export async function startRedisCluster(options: StartRedisClusterOptions): Promise<RedisClusterHandle> {
  const { dataDir, logger, masters = 3 } = options;
  const server = await ensureBinary('redis-server', 'redis-server', { logger });
  const cli =
    (await findBinary('redis-cli', dirname(server))) ?? (await ensureBinary('redis-cli', 'redis-tools', { logger }));
  const nodes: BrokerHandle[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (let n = 1; n <= masters; n++) nodes.push(await startNode(server, join(dataDir, `node-${n}`)));
    const addresses = nodes.map((node) => `127.0.0.1:${node.port}`);
    const create = ['--cluster', 'create', ...addresses, '--cluster-replicas', '0', '--cluster-yes'];
    const created = await runCommand(cli, create, { timeoutMs: 30_000 });
    if (created.exitCode !== 0) throw new BrokerStartError(`redis cluster not created: ${created.output}`, false);
    for (const node of nodes) {
      const isComplete = await until(() => clusterIsComplete(node.port, masters), 20_000);
      if (!isComplete) throw new BrokerStartError(`redis cluster node on port ${node.port} does not become ok`, false);
    }
    return { url: `redis-cluster://${addresses.join(',')}`, nodes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startNode(program: string, dataDir: string): Promise<BrokerHandle> {
  await mkdir(dataDir, { recursive: true });
  const start = (port: number) => ({
    name: 'redis-server (cluster node)',
    program,
    args: [
      ...redisArgs(port, dataDir, false),
      ...['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf', '--cluster-node-timeout', '2000'],
      // The others serve their slots also while one master is down.
      ...['--cluster-require-full-coverage', 'no'],
    ],
    logFile: join(dataDir, 'redis.log'),
    isReady: () => redisAnswers(port),
  });
  return startOnPort(undefined, 'redis', start, { pickPort: () => freePortPair(CLUSTER_BUS_OFFSET) });
}
