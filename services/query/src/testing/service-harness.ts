import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats, type Broker } from '@muster/bus';
import { startNats, startRedis, type BrokerHandle } from '@muster/local/brokers';
import {
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type QueryReply,
  type QueryRequest,
  type StartQuery,
} from '@muster/messages';
import { newGatewayId, type OrgId } from '@muster/protocol';
import { decodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord, type ResultEvent } from '@muster/records';
import { openRedisRegistry, type Registry } from '@muster/registry';
import { silentLogger } from '@muster/runtime';
import { FakeGateway } from './fake-gateway.js';

const ORG = 'acme' as OrgId;

/** Real brokers, as many query service processes as a test wants, and gateways that the test plays. */
export class ServiceHarness {
  readonly broker: Broker;
  readonly #nats: BrokerHandle;
  readonly #redis: BrokerHandle;
  readonly #registry: Registry;
  readonly #folder: string;
  readonly #services: RunningService[] = [];
  readonly #gateways: FakeGateway[] = [];
  #started = 0;

  private constructor(parts: {
    nats: BrokerHandle;
    redis: BrokerHandle;
    broker: Broker;
    registry: Registry;
    folder: string;
  }) {
    this.#nats = parts.nats;
    this.#redis = parts.redis;
    this.broker = parts.broker;
    this.#registry = parts.registry;
    this.#folder = parts.folder;
  }

  static async open(): Promise<ServiceHarness> {
    const folder = await mkdtemp(join(tmpdir(), 'muster-query-'));
    const [nats, redis] = await Promise.all([
      startNats({ dataDir: join(folder, 'nats'), logger: silentLogger }),
      startRedis({ dataDir: join(folder, 'redis'), logger: silentLogger }),
    ]);
    const broker = await connectNats({ servers: [nats.url], name: 'query lab', logger: silentLogger });
    const registry = await openRedisRegistry({ url: redis.url, logger: silentLogger });
    await broker.streams.ensure(Object.values(STREAMS));
    return new ServiceHarness({ nats, redis, broker, registry, folder });
  }

  async startService(env: Readonly<Record<string, string>> = {}): Promise<RunningService> {
    const readyFile = join(this.#folder, `ready-${(this.#started += 1)}.json`);
    const child = spawn(process.execPath, [fileURLToPath(new URL('../main.js', import.meta.url))], {
      env: {
        PATH: process.env['PATH'],
        MUSTER_NATS_URL: this.#nats.url,
        MUSTER_REDIS_URL: this.#redis.url,
        MUSTER_HEALTH_HOST: '127.0.0.1',
        MUSTER_HEALTH_PORT: '0',
        MUSTER_QUERY_DRAIN: '100ms',
        MUSTER_READY_FILE: readyFile,
        MUSTER_PARENT_PID: String(process.pid),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const service = new RunningService(child);
    this.#services.push(service);
    await service.becomeReady(readyFile);
    return service;
  }

  /** A gateway that holds a lease for as long as the test may take. */
  async gateway(nums: readonly number[]): Promise<FakeGateway> {
    const id = newGatewayId();
    const info = { sessions: nums.length, draining: false, startedAtMs: Date.now() };
    const renewed = await this.#registry.lease.renew({ gatewayId: id, ttlMs: 600_000, info });
    if (renewed.kind === 'unavailable') throw renewed.cause;
    const gateway = new FakeGateway(this.broker.bus, id, nums);
    this.#gateways.push(gateway);
    await this.broker.bus.flush();
    return gateway;
  }

  /** Forgets all gateways, so that the next test has its own. */
  async dropGateways(): Promise<void> {
    for (const gateway of this.#gateways.splice(0)) {
      gateway.die();
      await this.#registry.lease.drop(gateway.id);
    }
  }

  async ask(request: QueryRequest): Promise<QueryReply> {
    const result = await this.broker.bus.request(SUBJECTS.queries, encodeBusMessage(request), { timeoutMs: 10_000 });
    if (result.kind !== 'reply') throw new Error(`no reply: ${result.kind}`);
    return decodeServiceMessage<QueryReply>(result.data);
  }

  question(change: Partial<StartQuery> = {}): StartQuery {
    return {
      ...{ t: 'start', org: ORG, operator: 'op', operatorName: 'Op', sql: 'SELECT name FROM deb_packages' },
      ...{ selector: '', bound: '', mode: 'group', timeoutMs: 30_000 },
      ...change,
    };
  }

  async start(change: Partial<StartQuery> = {}): Promise<QueryRecord> {
    const reply = await this.ask(this.question(change));
    if (reply.t !== 'started') throw new Error(`not started: ${JSON.stringify(reply)}`);
    return reply.record;
  }

  /** All events up to the end, for which it waits. */
  async eventsUntilEnd(query: QueryRecord): Promise<ResultEvent[]> {
    const events: ResultEvent[] = [];
    const options = { subject: STREAM_SUBJECTS.result(query.org, query.id), follow: true };
    for await (const entry of this.broker.streams.read(STREAMS.results.name, options)) {
      const event = decodeQueryRecord<ResultEvent>(entry.data);
      events.push(event);
      if (event.t === 'ended') break;
    }
    return events;
  }

  /** Every event that is kept now, also behind the end. */
  async eventsKept(query: QueryRecord): Promise<ResultEvent[]> {
    const events: ResultEvent[] = [];
    for await (const entry of this.broker.streams.read(STREAMS.results.name, {
      subject: STREAM_SUBJECTS.result(query.org, query.id),
    })) {
      events.push(decodeQueryRecord<ResultEvent>(entry.data));
    }
    return events;
  }

  async ended(query: QueryRecord): Promise<QueryRecord> {
    const last = (await this.eventsUntilEnd(query)).at(-1);
    if (last?.t !== 'ended') throw new Error('the query has not ended');
    return last.record;
  }

  async storedRecord(query: QueryRecord): Promise<QueryRecord> {
    const entry = await this.broker.streams.last(STREAMS.queries.name, STREAM_SUBJECTS.query(query.org, query.id));
    if (entry === undefined) throw new Error('the query has no record');
    return decodeQueryRecord<QueryRecord>(entry.data);
  }

  async stopServices(): Promise<void> {
    await Promise.all(this.#services.splice(0).map((service) => service.stop()));
  }

  async close(): Promise<void> {
    await this.stopServices();
    await this.broker.stop();
    await this.#registry.stop();
    await Promise.all([this.#nats.stop(), this.#redis.stop()]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export class RunningService {
  readonly child: ChildProcess;
  healthUrl = '';
  coordinatorId = '';

  constructor(child: ChildProcess) {
    this.child = child;
  }

  async becomeReady(readyFile: string): Promise<void> {
    const { stdout } = this.child;
    if (stdout === null) throw new Error('no output to read');
    let seen = '';
    for await (const chunk of stdout as AsyncIterable<Buffer>) {
      seen += chunk.toString();
      if (seen.includes('"listening"')) break;
    }
    stdout.resume();
    this.coordinatorId = /"coordinator":"([^"]+)"/.exec(seen)?.[1] ?? '';
    for (;;) {
      try {
        const { ports } = JSON.parse(await readFile(readyFile, 'utf8')) as { ports: Record<string, number> };
        this.healthUrl = `http://127.0.0.1:${ports['health'] ?? 0}`;
        return;
      } catch {
        if (this.child.exitCode !== null) throw new Error(`the service ended before it was ready:\n${seen}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends the process in the orderly way; gives its exit code. */
  async stop(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGCONT');
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
    return this.child.exitCode;
  }
}
