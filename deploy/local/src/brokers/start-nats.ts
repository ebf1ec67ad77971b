import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@muster/runtime';
import { writePrivateFile, type NatsAccess } from './broker-login.js';
import { startOnPort, type BrokerHandle, type ProcessOptions } from './broker-process.js';
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
  /** What JetStream may store; default: three quarters of the disk's free space, as the server decides. */
  readonly maxStoreBytes?: number;
  /** More lines of the configuration, `nats.conf` in `dataDir`, which the server reads again at SIGHUP. */
  readonly config?: string;
  /** Whom the server lets in. Default: everybody. */
  readonly access?: NatsAccess;
  /** Default: the result of `findBroker`. */
  readonly source?: BrokerSource;
}

export interface NatsHandle extends BrokerHandle {
  /** The server's own monitoring, over HTTP: `/varz`, `/jsz`, `/healthz`. */
  readonly monitorUrl: string;
}

/** Starts nats-server on the loopback interface and waits until it answers and JetStream is up. */
export async function startNats(options: StartNatsOptions): Promise<NatsHandle> {
  const { dataDir, logger, access } = options;
  const source = options.source ?? (await findBroker('nats', { logger }));
  await mkdir(join(dataDir, 'jetstream'), { recursive: true });
  await writePrivateFile(join(dataDir, 'nats.conf'), configOf(options, source));
  let monitorPort = 0;
  const start = async (port: number): Promise<ProcessOptions> => {
    monitorPort = await freePort();
    return {
      name: 'nats-server',
      ...commandFor(source, dataDir, port, monitorPort),
      logFile: join(dataDir, 'nats.log'),
      isReady: async () => (await natsAnswers(port, access?.login)) && (await natsIsHealthy(monitorPort)),
    };
  };
  const handle = await startOnPort(options.port, 'nats', start, access === undefined ? {} : { login: access.login });
  logger.debug('nats started', { port: handle.port, pid: handle.pid });
  return Object.defineProperties(handle, {
    monitorUrl: { value: `http://127.0.0.1:${monitorPort}`, enumerable: true },
  }) as NatsHandle;
}

/** In a file of its owner's, because arguments of a program are seen by everybody on its machine. */
function configOf(
  { dataDir, jetstream = true, maxStoreBytes, config = '', access }: StartNatsOptions,
  source: BrokerSource,
) {
  const folder = source.kind === 'binary' ? dataDir : CONTAINER_DATA;
  const limit = maxStoreBytes === undefined ? '' : `, max_file_store: ${maxStoreBytes}`;
  const store = jetstream ? `jetstream { store_dir: ${JSON.stringify(join(folder, 'jetstream'))}${limit} }\n` : '';
  return `${store}${access?.config ?? ''}\n${config}\n`;
}

const CONTAINER_DATA = '/data';

function commandFor(source: BrokerSource, dataDir: string, port: number, monitorPort: number) {
  if (source.kind === 'binary') {
    const config = join(dataDir, 'nats.conf');
    return {
      program: source.path,
      args: ['-a', '127.0.0.1', '-p', String(port), '-m', String(monitorPort), '-c', config],
    };
  }
  return containerCommand({
    docker: source.docker,
    image: source.image,
    what: 'nats',
    ports: new Map([
      [port, 4222],
      [monitorPort, 8222],
    ]),
    dataDir,
    command: ['nats-server', '-m', '8222', '-c', `${CONTAINER_DATA}/nats.conf`],
  });
}
