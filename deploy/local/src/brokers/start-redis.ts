import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@muster/runtime';
import { redisAccess, writePrivateFile, type BrokerLogin } from './broker-login.js';
import { startOnPort, type BrokerHandle, type ProcessOptions } from './broker-process.js';
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
  /** Who may do everything; services are users beside it (`redisAccess`). Default: everybody is let in. */
  readonly login?: BrokerLogin;
  /** Default: the result of `findBroker`. */
  readonly source?: BrokerSource;
}

/** Starts redis-server on the loopback interface and waits until it answers. */
export async function startRedis(options: StartRedisOptions): Promise<BrokerHandle> {
  const { dataDir, logger, persist = false, login } = options;
  const source = options.source ?? (await findBroker('redis', { logger }));
  await mkdir(dataDir, { recursive: true });
  // In a file of its owner's, because arguments of a program are seen by everybody on its machine.
  await writePrivateFile(join(dataDir, 'redis.conf'), login === undefined ? '' : redisAccess(login));
  const start = (port: number): ProcessOptions => ({
    name: 'redis-server',
    ...commandFor(source, dataDir, port, persist),
    logFile: join(dataDir, 'redis.log'),
    isReady: () => redisAnswers(port, login),
  });
  const handle = await startOnPort(options.port, 'redis', start, login === undefined ? {} : { login });
  logger.debug('redis started', { port: handle.port, pid: handle.pid });
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
  if (source.kind === 'binary') {
    return { program: source.path, args: [join(dataDir, 'redis.conf'), ...redisArgs(port, dataDir, persist)] };
  }
  return containerCommand({
    docker: source.docker,
    image: source.image,
    what: 'redis',
    ports: new Map([[port, 6379]]),
    dataDir,
    // Published on loopback only. Without this Redis refuses clients from outside the container.
    command: [
      ...['redis-server', '/data/redis.conf', '--save', '', '--appendonly', persist ? 'yes' : 'no'],
      ...['--protected-mode', 'no', '--dir', '/data'],
    ],
  });
}
