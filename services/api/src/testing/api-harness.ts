import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { fileURLToPath } from 'node:url';
import { connectNats, type Broker } from '@muster/bus';
import { mintOperatorToken } from '@muster/identity';
import { STREAMS } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { startBrokers, TestProcess, type TestBrokers } from '@muster/testkit';
import { given } from '../http/json-members.js';
import { FakeCommandService } from './fake-command-service.js';
import { FakeQueryService } from './fake-query-service.js';

interface AskOptions {
  readonly body?: unknown;
  /** PEM; the API is asked over TLS. */
  readonly ca?: string;
  /** The idempotency key. */
  readonly key?: string;
  /** The address of the caller. */
  readonly localAddress?: string;
}

interface Reply {
  readonly status: number;
  readonly text: string;
}

/** Real brokers, the API as real processes, and a query and a command service that answer as the test says. */
export class ApiHarness {
  readonly brokers: TestBrokers;
  readonly broker: Broker;
  readonly service: FakeQueryService;
  readonly commands: FakeCommandService;
  readonly token = mintOperatorToken().token;
  readonly #processes: ApiProcess[] = [];

  private constructor(brokers: TestBrokers, broker: Broker) {
    this.brokers = brokers;
    this.broker = broker;
    this.service = new FakeQueryService(broker);
    this.commands = new FakeCommandService(broker);
  }

  static async open(): Promise<ApiHarness> {
    const brokers = await startBrokers('binaries');
    const broker = await connectNats({ servers: [brokers.nats.url], name: 'api harness', logger: silentLogger });
    await broker.streams.ensure(Object.values(STREAMS));
    const harness = new ApiHarness(brokers, broker);
    harness.service.start();
    harness.commands.start();
    return harness;
  }

  async startApi(env: Readonly<Record<string, string>> = {}): Promise<ApiProcess> {
    const process = await TestProcess.start({
      main: fileURLToPath(new URL('../main.js', import.meta.url)),
      env: {
        MUSTER_NATS_URL: this.brokers.nats.url,
        // It makes the streams that it needs.
        MUSTER_NATS_RIGHTS: 'all',
        MUSTER_REDIS_URL: this.brokers.redis.url,
        MUSTER_API_HOST: '127.0.0.1',
        MUSTER_API_PORT: '0',
        MUSTER_HEALTH_HOST: '127.0.0.1',
        MUSTER_HEALTH_PORT: '0',
        MUSTER_BOOTSTRAP_TOKEN: this.token,
        ...env,
      },
    });
    const started = new ApiProcess(process, this.token);
    this.#processes.push(started);
    return started;
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map(({ process }) => process.stop()));
    this.service.stop();
    this.commands.stop();
    await this.broker.stop();
    await this.brokers.stop();
  }
}

/** One API process, and how a test calls it. */
export class ApiProcess {
  readonly process: TestProcess;
  readonly #token: string;

  constructor(process: TestProcess, token: string) {
    this.process = process;
    this.#token = token;
  }

  async health(path: string): Promise<Reply> {
    const response = await fetch(this.process.healthUrl + path);
    return { status: response.status, text: await response.text() };
  }

  /** A response whose body has not been read. */
  open(method: string, path: string, { body, ca, key, localAddress }: AskOptions = {}): Promise<IncomingMessage> {
    const send = ca === undefined ? httpRequest : httpsRequest;
    const headers = {
      authorization: `Bearer ${this.#token}`,
      accept: '*/*',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const target = { host: '127.0.0.1', port: this.process.port('api'), method, path, headers, agent: false };
    return new Promise((resolve, reject) => {
      const request = send({ ...target, ...given('ca', ca), ...given('localAddress', localAddress) }, resolve);
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
}
