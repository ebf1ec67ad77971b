import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats, type Broker } from '@muster/bus';
import { mintOperatorToken } from '@muster/identity';
import { startNats, startRedis, type BrokerHandle } from '@muster/local/brokers';
import { STREAMS } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { FakeCommandService } from './fake-command-service.js';
import { FakeQueryService } from './fake-query-service.js';

interface Ports {
  readonly api: number;
  readonly health: number;
}

interface AskOptions {
  readonly body?: unknown;
  /** PEM; the API is asked over TLS. */
  readonly ca?: string;
  /** The idempotency key. */
  readonly key?: string;
}

interface Reply {
  readonly status: number;
  readonly text: string;
}

/** Real brokers, the API as a real process, and a query service that does as the test says. */
export class ApiLab {
  readonly nats: BrokerHandle;
  readonly redis: BrokerHandle;
  readonly broker: Broker;
  readonly service: FakeQueryService;
  readonly commands: FakeCommandService;
  readonly token = mintOperatorToken().token;
  readonly folder: string;
  readonly #processes: ApiProcess[] = [];

  private constructor(parts: { nats: BrokerHandle; redis: BrokerHandle; broker: Broker; folder: string }) {
    this.nats = parts.nats;
    this.redis = parts.redis;
    this.broker = parts.broker;
    this.folder = parts.folder;
    this.service = new FakeQueryService(parts.broker);
    this.commands = new FakeCommandService(parts.broker);
  }

  static async open(): Promise<ApiLab> {
    const folder = await mkdtemp(join(tmpdir(), 'muster-api-'));
    const [nats, redis] = await Promise.all([
      startNats({ dataDir: join(folder, 'nats'), logger: silentLogger }),
      startRedis({ dataDir: join(folder, 'redis'), logger: silentLogger }),
    ]);
    const broker = await connectNats({ servers: [nats.url], name: 'api lab', logger: silentLogger });
    await broker.streams.ensure(Object.values(STREAMS));
    const lab = new ApiLab({ nats, redis, broker, folder });
    lab.service.start();
    lab.commands.start();
    return lab;
  }

  async startApi(env: Readonly<Record<string, string>> = {}): Promise<ApiProcess> {
    const readyFile = join(this.folder, `ready-${this.#processes.length}.json`);
    const child = spawn(process.execPath, [fileURLToPath(new URL('../main.js', import.meta.url))], {
      env: {
        MUSTER_NATS_URL: this.nats.url,
        MUSTER_REDIS_URL: this.redis.url,
        MUSTER_API_HOST: '127.0.0.1',
        MUSTER_API_PORT: '0',
        MUSTER_HEALTH_HOST: '127.0.0.1',
        MUSTER_HEALTH_PORT: '0',
        MUSTER_BOOTSTRAP_TOKEN: this.token,
        MUSTER_READY_FILE: readyFile,
        MUSTER_PARENT_PID: String(process.pid),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const started = new ApiProcess(child, this.token);
    this.#processes.push(started);
    await started.becomeReady(readyFile);
    return started;
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((one) => one.stop()));
    this.service.stop();
    this.commands.stop();
    await this.broker.stop();
    await Promise.all([this.nats.stop(), this.redis.stop()]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

export class ApiProcess {
  readonly #child: ChildProcess;
  readonly #token: string;
  #ports: Ports = { api: 0, health: 0 };
  #streams = '';

  constructor(child: ChildProcess, token: string) {
    this.#child = child;
    this.#token = token;
  }

  /** Everything it has logged. */
  get streams(): string {
    return this.#streams;
  }

  get ports(): Ports {
    return this.#ports;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async becomeReady(readyFile: string): Promise<void> {
    this.#child.stdout?.on('data', (part: Buffer) => (this.#streams += part.toString()));
    for (;;) {
      try {
        this.#ports = (JSON.parse(await readFile(readyFile, 'utf8')) as { ports: Ports }).ports;
        return;
      } catch {
        if (this.#child.exitCode !== null) throw new Error(`the API ended before it was ready:\n${this.#streams}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }

  async health(path: string): Promise<Reply> {
    const response = await fetch(`http://127.0.0.1:${this.#ports.health}${path}`);
    return { status: response.status, text: await response.text() };
  }

  /** A response whose body has not been read. */
  open(method: string, path: string, options: AskOptions = {}): Promise<IncomingMessage> {
    const { body, ca, key } = options;
    const send = ca === undefined ? httpRequest : httpsRequest;
    const headers = {
      authorization: `Bearer ${this.#token}`,
      accept: '*/*',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const target = {
      host: '127.0.0.1',
      port: this.#ports.api,
      method,
      path,
      headers,
      ...(ca === undefined ? {} : { ca }),
    };
    return new Promise((resolve, reject) => {
      const request = send({ ...target, agent: false }, resolve);
      request.on('error', reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async ask(method: string, path: string, options: AskOptions = {}): Promise<Reply> {
    const response = await this.open(method, path, options);
    let text = '';
    for await (const part of response) text += String(part);
    return { status: response.statusCode ?? 0, text };
  }

  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      await exited;
    }
    return this.#child.exitCode;
  }
}
