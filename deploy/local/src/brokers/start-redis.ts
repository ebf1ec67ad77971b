import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@muster/runtime';
import { startOnPort, type BrokerHandle } from './broker-process.js';
import { containerCommand } from './docker.js';
import { findBroker, type BrokerSource } from './find-broker.js';
import { redisAnswers } from './probe.js';

export interface StartRedisOptions {
  /** Created if missing; holds the log, and the data with `persist`. */
  readonly dataDir: string;
  readonly logger: Logger;
  /** Default: a free one. */
  readonly port?: number;
  /** Keep the data over a restart. Default false: Muster can lose it. */
  readonly persist?: boolean;
  /** Default: the result of `findBroker`. */
  readonly source?: BrokerSource;
}

/** Starts redis-server on the loopback interface and waits until it answers. */
export async function startRedis(options: StartRedisOptions): Promise<BrokerHandle> {
  const { dataDir, logger, persist = false } = options;
  const source = options.source ?? (await findBroker('redis', { logger }));
  await mkdir(dataDir, { recursive: true });
  const handle = await startOnPort(options.port, 'redis', (port) => ({
    name: 'redis-server',
    ...commandFor(source, dataDir, port, persist),
    logFile: join(dataDir, 'redis.log'),
    isReady: () => redisAnswers(port),
  }));
  logger.debug('redis started', { url: handle.url, pid: handle.pid });
  return handle;
}

/** Arguments of a redis-server that listens on loopback only. */
export function redisArgs(port: number, dataDir: string, persist: boolean): string[] {
  return [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dataDir, '--daemonize', 'no'],
    ...['--save', '', '--appendonly', persist ? 'yes' : 'no'],
  ];
}

function commandFor(source: BrokerSource, dataDir: string, port: number, persist: boolean) {
  if (source.kind === 'binary') return { program: source.path, args: redisArgs(port, dataDir, persist) };
  const keep = persist ? { dataDir } : {};
  return containerCommand({
    docker: source.docker,
    image: source.image,
    what: 'redis',
    ports: new Map([[port, 6379]]),
    ...keep,
    // Published on loopback only. Without this Redis refuses clients from outside the container.
    command: [
      ...['redis-server', '--save', '', '--appendonly', persist ? 'yes' : 'no', '--protected-mode', 'no'],
      ...(persist ? ['--dir', '/data'] : []),
    ],
  });
}
