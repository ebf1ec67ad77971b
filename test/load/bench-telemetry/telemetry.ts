import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connectNats, type Broker } from '@muster/bus';
import { encodeDelta, encodeKeyframe, metricsPartition, METRICS_PARTITIONS, type Sample } from '@muster/host-metrics';
import { encodeBusMessage, SUBJECTS, type SampleItem } from '@muster/messages';
import { base32, FRAME, newGatewayId, type AgentId, type OrgId } from '@muster/protocol';
import { encodeRecord, STREAM_SUBJECTS } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { startBrokers, TestProcess } from '@muster/testkit';
import { hostValues, shapeOf } from '../../simulator/metrics/host-values.js';
import { cpuMs } from '../measure/process-cpu.js';
import { MEASURED_NODE_ARGS, settledBytes } from '../measure/process-memory.js';

const MAIN = fileURLToPath(new URL('../../../../services/telemetry/dist/main.js', import.meta.url));
const ORG = 'acme' as OrgId;
/** What gateways send of one partition at once. */
const BATCH = 100;
const INTERVAL_MS = 60_000;
/** The service answers `/metrics` with the same processor that it is measured by. */
const POLL_MS = 500;
/** The broker drops the connection of a reader that is further behind. */
const MOST_WAITING = 100_000;

interface BenchEndpoint {
  readonly agentId: AgentId;
  readonly index: number;
  num: number;
  base: Sample | undefined;
  seq: number;
}

export interface TelemetryFigures {
  readonly endpoints: number;
  readonly samples: number;
  /** Samples for each second of the process's processor time, from the socket to the counts. */
  readonly samplesPerCpuSecond: number;
  readonly samplesPerSecond: number;
  readonly keyframeBytes: number;
  readonly deltaBytes: number;
  /** Of the process, with identities and without samples, and what samples add for each endpoint. */
  readonly emptyBytes: number;
  readonly bytesPerEndpoint: number;
}

/** One telemetry process, and as many samples as it takes: a keyframe of each endpoint, a round that warms up, then rounds of deltas. */
export async function benchTelemetry(count: number, rounds: number): Promise<TelemetryFigures> {
  const brokers = await startBrokers('binaries');
  const service = await TestProcess.start({
    main: MAIN,
    nodeArgs: [...MEASURED_NODE_ARGS],
    env: {
      MUSTER_NATS_URL: brokers.nats.url,
      // It makes the streams that it needs.
      MUSTER_NATS_RIGHTS: 'all',
      MUSTER_REDIS_URL: brokers.redis.url,
      MUSTER_HEALTH_HOST: '127.0.0.1',
      MUSTER_HEALTH_PORT: '0',
    },
  });
  const broker = await connectNats({ servers: [brokers.nats.url], name: 'bench', logger: silentLogger });
  try {
    const endpoints = await enrol(broker, count);
    await reaches(service, 'partitions', METRICS_PARTITIONS);
    const emptyBytes = await settledBytes(service.pid);
    const keyframes = await send(broker, service, batches(endpoints, 0));
    await reaches(service, 'endpoints', count);
    let [deltas, cpuUsedMs, seconds] = [{ samples: 0, bytes: 0 }, 0, 0];
    await send(broker, service, batches(endpoints, 1));
    const bytesPerEndpoint = ((await settledBytes(service.pid)) - emptyBytes) / count;
    for (let round = 2; round < rounds + 2; round += 1) {
      const made = batches(endpoints, round);
      const beforeMs = cpuMs(service.pid);
      const startedMs = performance.now();
      const sent = await send(broker, service, made);
      seconds += (performance.now() - startedMs) / 1_000;
      cpuUsedMs += cpuMs(service.pid) - beforeMs;
      deltas = { samples: deltas.samples + sent.samples, bytes: deltas.bytes + sent.bytes };
    }
    return {
      ...{ endpoints: count, samples: deltas.samples, emptyBytes, bytesPerEndpoint },
      samplesPerCpuSecond: deltas.samples / (cpuUsedMs / 1_000),
      samplesPerSecond: deltas.samples / seconds,
      keyframeBytes: keyframes.bytes / keyframes.samples,
      deltaBytes: deltas.bytes / deltas.samples,
    };
  } finally {
    await service.stop();
    await broker.stop();
    await brokers.stop();
  }
}

async function enrol(broker: Broker, count: number): Promise<BenchEndpoint[]> {
  const endpoints: BenchEndpoint[] = [];
  const facts = { host: 'pc', os: 'linux', arch: 'x86_64', osName: '', osVersion: '', agentVersion: '1' } as const;
  while (endpoints.length < count) {
    const some = Array.from({ length: Math.min(500, count - endpoints.length) }, async (_, i) => {
      const agentId = base32(crypto.getRandomValues(new Uint8Array(15))) as AgentId;
      const record = { agentId, org: ORG, enrolledAtMs: Date.now(), facts, labels: {} };
      const result = await broker.streams.append(STREAM_SUBJECTS.enrolled(ORG, agentId), encodeRecord(record as never));
      if (result.kind !== 'appended') throw new Error('the broker did not take an identity');
      return { agentId, index: endpoints.length + i, num: result.seq, base: undefined, seq: 0 };
    });
    endpoints.push(...(await Promise.all(some)));
  }
  return endpoints;
}

interface Batch {
  readonly partition: number;
  readonly message: Uint8Array;
  readonly samples: number;
  /** Of the samples alone. */
  readonly bytes: number;
}

/** One sample of each endpoint, by partition as gateways send them. */
function batches(endpoints: readonly BenchEndpoint[], round: number): Batch[] {
  const gateway = newGatewayId();
  const made: Batch[] = [];
  for (let partition = 0; partition < METRICS_PARTITIONS; partition += 1) {
    const its = endpoints.filter(({ agentId }) => metricsPartition(agentId) === partition);
    for (let first = 0; first < its.length; first += BATCH) {
      const items = its.slice(first, first + BATCH).map((endpoint) => sample(endpoint, round));
      const bytes = items.reduce((sum, item) => sum + item[6].length, 0);
      const message = encodeBusMessage({ t: 'samples', gateway, items });
      made.push({ partition, message, samples: items.length, bytes });
    }
  }
  return made;
}

/** Resolves when the service has counted all of them. */
async function send(
  { bus }: Broker,
  service: TestProcess,
  made: readonly Batch[],
): Promise<{ readonly samples: number; readonly bytes: number }> {
  const counted = await framesOf(service);
  let [bytes, sent] = [0, 0];
  const isDone = async (count: number): Promise<boolean> => (await framesOf(service)) >= counted + count;
  for (const batch of made) {
    bus.publish(SUBJECTS.samples(batch.partition), batch.message);
    bytes += batch.bytes;
    sent += batch.samples;
    if (sent % MOST_WAITING > MOST_WAITING - BATCH) while (!(await isDone(sent - MOST_WAITING))) await delay(POLL_MS);
  }
  while (!(await isDone(sent))) await delay(POLL_MS);
  return { samples: sent, bytes };
}

function sample(endpoint: BenchEndpoint, round: number): SampleItem {
  const atMs = Date.now() - 3_600_000 + round * INTERVAL_MS;
  const host = { seed: 1, index: endpoint.index };
  endpoint.seq += 1;
  const one = { seq: endpoint.seq, atMs, shape: shapeOf(host), values: hostValues(host, atMs) };
  const { base } = endpoint;
  const body = base === undefined ? encodeKeyframe(one) : encodeDelta(one, base);
  if (base === undefined) endpoint.base = one;
  return [ORG, endpoint.agentId, endpoint.num, 1, base === undefined ? FRAME.keyframe : FRAME.delta, atMs, body];
}

async function metric(service: TestProcess, name: string, labels = ''): Promise<number> {
  const text = await (await fetch(`${service.healthUrl}/metrics`, { headers: { connection: 'close' } })).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}${labels}`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

const framesOf = (service: TestProcess): Promise<number> => metric(service, 'muster_telemetry_frames_total', '{');

async function reaches(service: TestProcess, what: 'partitions' | 'endpoints', count: number): Promise<void> {
  const labels = what === 'endpoints' ? '{' : ' ';
  while ((await metric(service, `muster_telemetry_${what}`, labels)) < count) {
    await delay(POLL_MS);
  }
}
