import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, takeProcessLock, watchParent, type Logger } from '@muster/runtime';
import { writePrivateFile, type BrokerHandle } from '../brokers/index.js';
import { scrapeTargets } from '../observe/scrape-targets.js';
import { startPrometheus } from '../observe/start-prometheus.js';
import { prometheusPort, writingTo } from '../observe/host-metrics.js';
import { consoleFolder } from '../stack/programs.js';
import { signInLink } from '../stack/sign-in-link.js';
import { startStack } from '../stack/start-stack.js';
import type { Stack } from '../stack/stack.js';
import { startLocalBrokers, type LocalBrokers } from './local-brokers.js';
import { removeLocalFile, writeLocalFile, type LocalFile } from './local-file.js';
import type { RunOptions } from './run-options.js';
import { renderScreen } from './screen.js';

/** The folders that `--fresh` deletes: all but the certificates, which a browser may trust already. */
const DATA_FOLDERS = ['data', 'keys', 'logs', 'run'];

/**
 * The local runner: starts brokers and stack, prints one screen and waits for a signal. Returns the exit code: 0 after a stop by signal, 1
 * when something did not start.
 */
export async function runLocal(options: RunOptions): Promise<number> {
  const { folder } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = await takeProcessLock(join(folder, 'run.lock'));
  if (lock.kind === 'held') {
    console.error(
      `Muster runs already in ${folder} (process ${lock.pid}). Stop that one first, or use it: npx muster agents`,
    );
    return 1;
  }
  try {
    if (options.fresh) {
      for (const part of DATA_FOLDERS) await rm(join(folder, part), { recursive: true, force: true });
    }
    return await new LocalRun(options).run();
  } finally {
    await lock.release();
  }
}

class LocalRun {
  readonly #options: RunOptions;
  readonly #stopRequested: Promise<void>;
  #brokers: LocalBrokers | undefined;
  /** Whether an earlier run left its data. */
  #hasKept = false;
  #stack: Stack | undefined;
  #prometheus: BrokerHandle | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#stopRequested = new Promise((resolve) => {
      if (options.parentPid !== undefined) watchParent({ pid: options.parentPid, onGone: resolve });
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        let count = 0;
        process.on(signal, () => {
          count += 1;
          resolve();
          // A second signal ends this process at once; the children notice it and end by themselves.
          if (count > 1) process.exit(signal === 'SIGINT' ? 130 : 143);
        });
      }
    });
  }

  async run(): Promise<number> {
    const startedAt = performance.now();
    try {
      const up = await Promise.race([this.#start().then(() => 'up' as const), this.#stopRequested]);
      if (up === 'up') {
        console.log(
          renderScreen(
            {
              ...{ stack: this.#requireStack(), brokers: this.#requireBrokers(), prometheus: this.#prometheus },
              consoleUrl: this.#consoleUrl,
            },
            (performance.now() - startedAt) / 1_000,
          ),
        );
        await this.#stopRequested;
      }
      console.log('\nStopping…');
      return 0;
    } catch (error) {
      console.error(`\nMuster did not start.\n${(error as Error).message}`);
      return 1;
    } finally {
      await this.#stop();
    }
  }

  async #start(): Promise<void> {
    const { folder, gateways, agent, natsRights, logLevel, settings } = this.#options;
    const logger = createLogger({ service: 'local', pretty: true, destination: process.stderr });
    this.#hasKept = existsSync(join(folder, 'data', 'nats'));
    const onEvent = (text: string): void => {
      console.error(`${new Date().toLocaleTimeString()}  ${text}`);
      // The file has the process ids.
      if (text.endsWith('is back') && this.#stack !== undefined) void this.#publish();
    };
    this.#brokers = await startLocalBrokers(this.#options, logger, onEvent);
    const { natsUrl, redisUrl, storageLimitBytes } = this.#brokers;
    this.#prometheusPort = await prometheusPort(this.#options.observe);
    const written = writingTo(this.#prometheusPort, settings);
    const shape = { gateways, agent, logLevel, settings: written, restart: true };
    const signedPath = join(folder, 'keys', 'records-signed');
    // What a NATS has that runs already is not known.
    const signsKept = (this.#hasKept || this.#options.natsUrl !== undefined) && !existsSync(signedPath);
    const redisRights = this.#options.redisUrl === undefined ? 'own' : 'all';
    const start = startStack({
      folder,
      natsUrl,
      natsRights,
      redisUrl,
      redisRights,
      signsKept,
      storageLimitBytes,
      postures: 1,
      ...shape,
      onEvent,
    });
    this.#starting = start.catch(() => undefined);
    this.#stack = await start;
    await writePrivateFile(signedPath, 'records that decide rights are signed since then\n');
    await this.#observe(logger);
    // A screen without it is better than no start.
    if (consoleFolder() !== undefined) {
      this.#consoleUrl = await signInLink(this.#stack).catch((err: unknown) => {
        logger.warn('no link to the console', { err });
        return undefined;
      });
    }
    await this.#publish();
  }

  #consoleUrl: string | undefined;
  #prometheusPort: number | undefined;

  /** It starts last, since what it scrapes has to run, and stops after the stack, which writes to it until then. */
  async #observe(logger: Logger): Promise<void> {
    const port = this.#prometheusPort;
    if (port === undefined) return;
    const dataDir = join(this.#options.folder, 'data/prometheus');
    const targets = scrapeTargets(this.#requireStack());
    this.#observing = startPrometheus({ dataDir, logger, targets, port, takesWrites: true });
    this.#prometheus = await this.#observing;
  }

  #observing: Promise<BrokerHandle> | undefined;

  #starting: Promise<Stack | undefined> | undefined;

  async #publish(): Promise<void> {
    await writeLocalFile(
      this.#options.folder,
      localFile(this.#requireStack(), this.#requireBrokers(), this.#prometheus),
    );
  }

  /** Stops in reverse order of starting. Waits for a start that is under way, so that none of its programs is missed. */
  async #stop(): Promise<void> {
    await removeLocalFile(this.#options.folder);
    await (await this.#starting)?.stop();
    await (await this.#observing?.catch(() => undefined))?.stop();
    await this.#brokers?.stop();
  }

  #requireStack(): Stack {
    if (this.#stack === undefined) throw new Error('the stack is not up');
    return this.#stack;
  }

  #requireBrokers(): LocalBrokers {
    if (this.#brokers === undefined) throw new Error('the brokers are not up');
    return this.#brokers;
  }
}

function localFile(stack: Stack, brokers: LocalBrokers, prometheus: BrokerHandle | undefined): LocalFile {
  const programs = [
    ...stack.gateways,
    ...stack.queries,
    ...stack.commands,
    ...stack.telemetries,
    ...stack.postures,
    ...stack.apis,
    ...stack.agents,
  ];
  const healthUrls = programs.flatMap(({ name, healthUrl }) => (healthUrl === undefined ? [] : [[name, healthUrl]]));
  const pids: Record<string, number> = { runner: process.pid };
  for (const { name, pid } of programs) pids[name] = pid;
  if (brokers.nats?.pid !== undefined) pids['nats'] = brokers.nats.pid;
  if (brokers.redis?.pid !== undefined) pids['redis'] = brokers.redis.pid;
  if (prometheus?.pid !== undefined) pids['prometheus'] = prometheus.pid;
  return {
    apiUrl: stack.apiUrl,
    gatewayUrls: stack.gateways.map(({ url }) => url),
    healthUrls: Object.fromEntries(healthUrls) as Record<string, string>,
    caPath: stack.caPath,
    org: stack.org,
    token: stack.token,
    enrollSecret: stack.enrollSecret,
    natsUrl: brokers.natsUrl,
    redisUrl: brokers.redisUrl,
    natsMonitorUrl: brokers.nats?.monitorUrl,
    prometheusUrl: prometheus?.url,
    pids,
  };
}
