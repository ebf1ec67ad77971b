import { fileURLToPath } from 'node:url';
import { connectNats, type Broker } from '@muster/bus';
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
import { startBrokers, TestProcess, type TestBrokers } from '@muster/testkit';
import { FakeGateway } from './fake-gateway.js';

const ORG = 'acme' as OrgId;
const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

const HEARTBEAT_MS = 1_500;

export interface RunningService {
  readonly process: TestProcess;
  readonly coordinatorId: string;
}

/** Real brokers, any number of query service processes, and gateways that the test drives. */
export class ServiceHarness {
  readonly broker: Broker;
  readonly #brokers: TestBrokers;
  readonly #registry: Registry;
  readonly #services: TestProcess[] = [];
  readonly #gateways: FakeGateway[] = [];
  #heartbeats: NodeJS.Timeout | undefined;

  private constructor(brokers: TestBrokers, broker: Broker, registry: Registry) {
    this.#brokers = brokers;
    this.broker = broker;
    this.#registry = registry;
  }

  static async open(): Promise<ServiceHarness> {
    const brokers = await startBrokers('binaries');
    const broker = await connectNats({ servers: [brokers.nats.url], name: 'query harness', logger: silentLogger });
    const registry = await openRedisRegistry({ url: brokers.redis.url, logger: silentLogger });
    await broker.streams.ensure(Object.values(STREAMS));
    return new ServiceHarness(brokers, broker, registry);
  }

  async startService(env: Readonly<Record<string, string>> = {}): Promise<RunningService> {
    const process = await TestProcess.start({
      main: MAIN,
      env: {
        MUSTER_NATS_URL: this.#brokers.nats.url,
        // It makes the streams that it needs.
        MUSTER_NATS_RIGHTS: 'all',
        MUSTER_REDIS_URL: this.#brokers.redis.url,
        MUSTER_HEALTH_HOST: '127.0.0.1',
        MUSTER_HEALTH_PORT: '0',
        MUSTER_QUERY_DRAIN: '100ms',
        ...env,
      },
    });
    this.#services.push(process);
    const [, coordinatorId = ''] = await process.printed(/"coordinator":"([^"]+)"/);
    return { process, coordinatorId };
  }

  /** A gateway with a lease that outlasts the test. */
  async gateway(nums: readonly number[]): Promise<FakeGateway> {
    const id = newGatewayId();
    const info = { sessions: nums.length, draining: false, startedAtMs: Date.now() };
    const renewed = await this.#registry.lease.renew({ gatewayId: id, ttlMs: 600_000, info });
    if (renewed.kind === 'unavailable') throw renewed.cause;
    const gateway = new FakeGateway(this.broker.bus, id, nums);
    this.#gateways.push(gateway);
    this.#heartbeats ??= setInterval(() => {
      for (const one of this.#gateways) one.sendHeartbeat();
    }, HEARTBEAT_MS);
    await this.broker.bus.flush();
    return gateway;
  }

  /** Removes all gateways, so that the next test has its own. */
  async dropGateways(): Promise<void> {
    for (const gateway of this.#gateways.splice(0)) {
      gateway.die();
      await this.#registry.lease.drop(gateway.id);
    }
  }

  async send(request: QueryRequest, timeoutMs = 20_000): Promise<QueryReply> {
    const result = await this.broker.bus.request(SUBJECTS.queries, encodeBusMessage(request), { timeoutMs });
    if (result.kind !== 'reply') throw new Error(`no reply: ${result.kind}`);
    return decodeServiceMessage<QueryReply>(result.data);
  }

  request(change: Partial<StartQuery> = {}): StartQuery {
    return {
      ...{ t: 'start', org: ORG, operator: 'op', operatorName: 'Op', sql: 'SELECT name FROM deb_packages' },
      ...{ selector: '', bound: '', mode: 'group', timeoutMs: 30_000 },
      ...change,
    };
  }

  async start(change: Partial<StartQuery> = {}): Promise<QueryRecord> {
    const reply = await this.send(this.request(change));
    if (reply.t !== 'started') throw new Error(`not started: ${JSON.stringify(reply)}`);
    return reply.record;
  }

  /** All events up to the end; waits for it. */
  eventsUntilEnd(query: QueryRecord): Promise<ResultEvent[]> {
    return this.storedEvents(query, true);
  }

  /** Every event that is stored now, also those behind the end. With `follow`: those up to the end, whenever it comes. */
  async storedEvents(query: QueryRecord, follow = false): Promise<ResultEvent[]> {
    const events: ResultEvent[] = [];
    const options = { subject: STREAM_SUBJECTS.result(query.org, query.id), follow };
    for await (const entry of this.broker.streams.read(STREAMS.results.name, options)) {
      const event = decodeQueryRecord<ResultEvent>(entry.data);
      events.push(event);
      if (follow && event.t === 'ended') break;
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
    clearInterval(this.#heartbeats);
    await this.stopServices();
    await this.broker.stop();
    await this.#registry.stop();
    await this.#brokers.stop();
  }
}
