import {
  absentValues,
  encodeDelta,
  encodeKeyframe,
  groupMetric,
  groupOffset,
  hostMetric,
  makeShape,
  metricsPartition,
  type Group,
  type Sample,
} from '@muster/host-metrics';
import type { Endpoint } from '@muster/directory';
import type { SampleItem } from '@muster/messages';
import { base32, FRAME, type AgentId, type Labels, type OrgId } from '@muster/protocol';

export const ORG = 'acme' as OrgId;

/** What a sample says; in the units of `VITALS`, counters as totals. */
export interface Measured {
  readonly cpu?: number;
  readonly memory?: number;
  readonly disk?: number;
  readonly load?: number;
  readonly diskBytes?: number;
  readonly networkBytes?: number;
  /** Absent unless said. */
  readonly uptimeSeconds?: number;
}

const NAMES = {
  core: ['0', '1'],
  disk: ['sda', 'sdb'],
  interface: ['lo', 'eth0', 'wlan0'],
  filesystem: ['/', '/home', '/var/lib/docker'],
  temperature: ['package', 'nvme'],
};
const SHAPE = makeShape(NAMES);

/** An endpoint that measures what the test says. */
export class FakeEndpoint {
  readonly agentId: AgentId = base32(crypto.getRandomValues(new Uint8Array(15))) as AgentId;
  num: number;
  epoch = 1;
  seq = 0;
  /** The last keyframe, as the gateway keeps it. */
  keyframe: SampleItem | undefined;
  #base: Sample | undefined;

  constructor(num: number) {
    this.num = num;
  }

  get partition(): number {
    return metricsPartition(this.agentId);
  }

  sample(measured: Measured, atMs: number, kind: 'keyframe' | 'delta', receivedMs = atMs): SampleItem {
    this.seq += 1;
    const values = absentValues(SHAPE);
    for (let i = 0; i < values.length; i += 1) values[i] = 100_000 + 977 * i;
    writeMeasured(values, measured);
    const sample = { seq: this.seq, atMs, shape: SHAPE, values };
    const isKeyframe = kind === 'keyframe' || this.#base === undefined;
    const body = isKeyframe ? encodeKeyframe(sample) : encodeDelta(sample, this.#base as Sample);
    const type = isKeyframe ? FRAME.keyframe : FRAME.delta;
    const item: SampleItem = [ORG, this.agentId, this.num, this.epoch, type, receivedMs, body];
    if (isKeyframe) {
      this.#base = sample;
      this.keyframe = item;
    }
    return item;
  }

  reconnects(): void {
    this.epoch += 1;
    this.seq = 0;
    this.#base = undefined;
  }

  /** As the directory knows it. */
  endpoint(labels: Labels = {}): Endpoint {
    const facts = {
      host: `host-${this.num}`,
      os: 'linux',
      arch: 'x86_64',
      osName: '',
      osVersion: '',
      agentVersion: '1',
    };
    return {
      ...{ agentId: this.agentId, org: ORG, num: this.num, enrolledAtMs: 0, seenAtMs: 0 },
      ...{ facts: facts as Endpoint['facts'], agentLabels: labels, operatorLabels: {}, labels },
    };
  }
}

function writeMeasured(values: Float64Array, measured: Measured): void {
  const {
    cpu = 0.25,
    memory = 0.5,
    disk = 0.4,
    load = 1,
    diskBytes = 0,
    networkBytes = 0,
    uptimeSeconds = Number.NaN,
  } = measured;
  values[hostMetric('system.cpu.utilization')] = Math.round(cpu * 1_000);
  values[hostMetric('system.cpu.logical.count')] = 2;
  values[hostMetric('system.cpu.load_average.1m')] = Math.round(load * 2 * 100);
  values[hostMetric('system.memory.limit')] = 8_000_000;
  values[hostMetric('system.linux.memory.available')] = Math.round(8_000_000 * (1 - memory));
  values[hostMetric('muster.agent.cpu.time')] = 0;
  values[hostMetric('system.uptime')] = uptimeSeconds;
  const put = (group: Group, instance: number, name: string, attributes: Record<string, string>, value: number) => {
    values[groupOffset(SHAPE, group, instance, groupMetric(group, name, attributes))] = value;
  };
  for (const disk of [0, 1]) {
    put('disk', disk, 'system.disk.io', { 'disk.io.direction': 'read' }, disk === 0 ? diskBytes / 512 : 0);
    put('disk', disk, 'system.disk.io', { 'disk.io.direction': 'write' }, 0);
  }
  for (const one of [1, 2]) {
    put('interface', one, 'system.network.io', { 'network.io.direction': 'receive' }, one === 1 ? networkBytes : 0);
    put('interface', one, 'system.network.io', { 'network.io.direction': 'transmit' }, 0);
  }
  for (const one of [0, 1, 2]) {
    const used = Math.round((one === 1 ? disk : disk / 2) * 1_000_000);
    put('filesystem', one, 'system.filesystem.usage', { 'system.filesystem.state': 'used' }, used);
    put('filesystem', one, 'system.filesystem.usage', { 'system.filesystem.state': 'free' }, 1_000_000 - used);
  }
}
