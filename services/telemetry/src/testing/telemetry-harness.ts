import { fileURLToPath } from 'node:url';
import { connectNats, type Broker } from '@muster/bus';
import { metricsPartition } from '@muster/host-metrics';
import {
  decodeBusMessage,
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type KeyframesWanted,
  type SampleItem,
  type SessionsEnded,
  type TelemetryReply,
  type TelemetryRequest,
} from '@muster/messages';
import { newGatewayId } from '@muster/protocol';
import { openRedisRegistry, type Registry } from '@muster/registry';
import { encodeRecord, STREAM_SUBJECTS, STREAMS } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { startBrokers, TestProcess, type TestBrokers } from '@muster/testkit';
import { FakeEndpoint, ORG, type Measured } from './fake-endpoint.js';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

/** What one process says in `/metrics`; `undefined` when it does not answer. */
export interface Scrape {
  readonly endpoints: number;
  readonly partitions: number;
  readonly text: string;
}

/** Real brokers, telemetry service processes, and one gateway with endpoints that the test drives. */
export class TelemetryHarness {
  readonly broker: Broker;
  readonly endpoints: FakeEndpoint[] = [];
  readonly gateway = newGatewayId();
  readonly #brokers: TestBrokers;
  readonly #services: TestProcess[] = [];
  #registry: Registry | undefined;
  #onAsk: () => void = () => undefined;
  /** Whether the gateway answers requests for keyframes. */
  answers = true;

  private constructor(brokers: TestBrokers, broker: Broker) {
    this.#brokers = brokers;
    this.broker = broker;
    broker.bus.subscribe(SUBJECTS.allGatewayMetrics, ({ data }) => {
      const wanted = decodeBusMessage<KeyframesWanted>(data, 'keyframes_wanted');
      if (wanted?.ask !== undefined) this.#onAsk();
      if (wanted === undefined || !this.answers) return;
      const of = this.endpoints.filter(
        ({ agentId, partition }) =>
          wanted.partitions?.includes(partition) === true || wanted.agents?.includes(agentId) === true,
      );
      this.send(of.flatMap(({ keyframe }) => (keyframe === undefined ? [] : [keyframe])));
      const { ask } = wanted;
      if (ask === undefined) return;
      const sent = encodeBusMessage({ t: 'keyframes_sent', gateway: this.gateway, asks: [ask] });
      for (const partition of wanted.partitions ?? []) broker.bus.publish(SUBJECTS.samples(partition), sent);
    });
  }

  static async open(): Promise<TelemetryHarness> {
    const brokers = await startBrokers('binaries');
    const broker = await connectNats({ servers: [brokers.nats.url], name: 'telemetry harness', logger: silentLogger });
    await broker.streams.ensure(Object.values(STREAMS));
    return new TelemetryHarness(brokers, broker);
  }

  async startService(env: Readonly<Record<string, string>> = {}): Promise<TestProcess> {
    const service = await TestProcess.start({
      main: MAIN,
      env: {
        MUSTER_NATS_URL: this.#brokers.nats.url,
        // It makes the streams that it needs.
        MUSTER_NATS_RIGHTS: 'all',
        MUSTER_REDIS_URL: this.#brokers.redis.url,
        MUSTER_HEALTH_HOST: '127.0.0.1',
        MUSTER_HEALTH_PORT: '0',
        ...env,
      },
    });
    this.#services.push(service);
    return service;
  }

  /** From now on the gateway is one that services know of. */
  async takeLease(): Promise<void> {
    this.#registry = await openRedisRegistry({ url: this.#brokers.redis.url, logger: silentLogger });
    const info = { sessions: 0, draining: false, startedAtMs: Date.now() };
    await this.#registry.lease.renew({ gatewayId: this.gateway, ttlMs: 600_000, info });
  }

  /** Resolves when a service asks for the keyframes of partitions. */
  nextAsk(): Promise<void> {
    return new Promise((resolve) => (this.#onAsk = resolve));
  }

  async enrol(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      const endpoint = new FakeEndpoint(0);
      const facts = {
        host: `host-${i}`,
        os: 'linux',
        arch: 'x86_64',
        osName: '',
        osVersion: '',
        agentVersion: '1',
      } as const;
      const record = { agentId: endpoint.agentId, org: ORG, enrolledAtMs: Date.now(), facts, labels: {} };
      const result = await this.broker.streams.append(
        STREAM_SUBJECTS.enrolled(ORG, endpoint.agentId),
        encodeRecord(record as never),
      );
      if (result.kind !== 'appended') throw new Error('the test could not enrol an endpoint');
      endpoint.num = result.seq;
      this.endpoints.push(endpoint);
    }
  }

  /** Every endpoint measures this once. */
  measure(measured: Measured, kind: 'keyframe' | 'delta'): void {
    const nowMs = Date.now();
    this.send(this.endpoints.map((endpoint) => endpoint.sample(measured, nowMs, kind)));
  }

  send(items: readonly SampleItem[]): void {
    const byPartition = new Map<number, SampleItem[]>();
    for (const item of items) {
      const partition = this.endpoints.find(({ agentId }) => agentId === item[1])?.partition ?? 0;
      byPartition.set(partition, [...(byPartition.get(partition) ?? []), item]);
    }
    for (const [partition, its] of byPartition) {
      const batch = { t: 'samples', gateway: this.gateway, items: its } as const;
      this.broker.bus.publish(SUBJECTS.samples(partition), encodeBusMessage(batch));
    }
  }

  /** These sessions are over. */
  ended(items: SessionsEnded['items']): void {
    for (const item of items) {
      const message = { t: 'samples_ended', gateway: this.gateway, items: [item] } as const;
      this.broker.bus.publish(SUBJECTS.samples(metricsPartition(item[1])), encodeBusMessage(message));
    }
  }

  async ask(subject: string, request: TelemetryRequest): Promise<TelemetryReply | undefined> {
    const result = await this.broker.bus.request(subject, encodeBusMessage(request), { timeoutMs: 20_000 });
    return result.kind === 'reply' ? decodeServiceMessage<TelemetryReply>(result.data) : undefined;
  }

  async close(): Promise<void> {
    await Promise.all(this.#services.map((service) => service.stop()));
    await this.#registry?.stop();
    await this.broker.stop();
    await this.#brokers.stop();
  }
}

export async function scrape(service: TestProcess): Promise<Scrape> {
  const response = await fetch(`${service.healthUrl}/metrics`);
  const text = await response.text();
  const sum = (name: string): number =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  return { endpoints: sum('muster_telemetry_endpoints'), partitions: sum('muster_telemetry_partitions'), text };
}
