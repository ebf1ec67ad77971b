import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@muster/runtime';
import { startOnPort, type BrokerHandle } from './broker-process.js';
import { containerCommand } from './docker.js';
import { findBroker, type BrokerSource } from './find-broker.js';
import { freePort } from './free-port.js';
import { natsAnswers, natsIsHealthy } from './probe.js';

export interface StartNatsOptions {
  /** Created if missing; holds JetStream's files and the log. */
  readonly dataDir: string;
  readonly logger: Logger;
  /** Default: a free one. */
  readonly port?: number;
  /** Default true. */
  readonly jetstream?: boolean;
  /** What JetStream may store; default: three quarters of the disk's free space, as the server decides. For a binary only. */
  readonly maxStoreBytes?: number;
  /** More lines of the configuration, `nats.conf` in `dataDir`, which the server reads again at SIGHUP. With `maxStoreBytes` only. */
  readonly config?: string;
  /** Default: the result of `findBroker`. */
  readonly source?: BrokerSource;
}

export interface NatsHandle extends BrokerHandle {
  /** The server's own monitoring, over HTTP: `/varz`, `/jsz`, `/healthz`. */
  readonly monitorUrl: string;
}

/** Starts nats-server on the loopback interface and waits until it answers and JetStream is up. */
export async function startNats(options: StartNatsOptions): Promise<NatsHandle> {
  const { dataDir, logger, jetstream = true } = options;
  const source = options.source ?? (await findBroker('nats', { logger }));
  await mkdir(join(dataDir, 'jetstream'), { recursive: true });
  const config = join(dataDir, 'nats.conf');
  const { maxStoreBytes } = options;
  if (maxStoreBytes !== undefined) {
    const store = JSON.stringify(join(dataDir, 'jetstream'));
    await writeFile(
      config,
      `jetstream { store_dir: ${store}, max_file_store: ${maxStoreBytes} }\n${options.config ?? ''}`,
    );
  }
  let monitorPort = 0;
  const handle = await startOnPort(options.port, 'nats', async (port) => {
    monitorPort = await freePort();
    return {
      name: 'nats-server',
      ...commandFor(source, dataDir, port, monitorPort, maxStoreBytes === undefined ? jetstream : config),
      logFile: join(dataDir, 'nats.log'),
      isReady: async () => (await natsAnswers(port)) && (await natsIsHealthy(monitorPort)),
    };
  });
  logger.debug('nats started', { url: handle.url, pid: handle.pid });
  return Object.defineProperties(handle, {
    monitorUrl: { value: `http://127.0.0.1:${monitorPort}`, enumerable: true },
  }) as NatsHandle;
}

/** `jetstream`: whether it is on, or the file that configures it. */
function commandFor(
  source: BrokerSource,
  dataDir: string,
  port: number,
  monitorPort: number,
  jetstream: boolean | string,
) {
  if (source.kind === 'binary') {
    const on = jetstream === true ? ['-js', '-sd', join(dataDir, 'jetstream')] : [];
    const store = typeof jetstream === 'string' ? ['-c', jetstream] : on;
    const args = ['-a', '127.0.0.1', '-p', String(port), '-m', String(monitorPort), ...store];
    return { program: source.path, args };
  }
  return containerCommand({
    docker: source.docker,
    image: source.image,
    what: 'nats',
    ports: new Map([
      [port, 4222],
      [monitorPort, 8222],
    ]),
    dataDir: join(dataDir, 'jetstream'),
    command: ['nats-server', '-m', '8222', ...(jetstream === false ? [] : ['-js', '-sd', '/data'])],
  });
}
