import type { Group, HostMetric } from '@muster/host-metrics';
import { seriesKey, type HostSeries, type SeriesKey } from './host-series.js';

/** A sample as the API sends it. */
export interface HostSample {
  /** The endpoint's clock, Unix milliseconds. */
  readonly atMs: number;
  readonly series: HostSeries;
  readonly values: readonly (number | null)[];
}

/** Shares of the time of processors, 0 to 1. `system` has interrupts too, `user` has nice. */
export interface CpuShares {
  readonly busy: number;
  readonly user: number;
  readonly system: number;
  readonly iowait: number;
  readonly steal: number;
}

/**
 * What a sample says, in the units in which people and scripts want it: shares from 0 to 1, bytes, and rates per second
 * since the sample before. What is not known is left out; every number is finite and not negative.
 */
export interface HostReading {
  /** All processors together: neither idle nor waiting for a disk. */
  readonly cpu?: number;
  readonly cpuShares?: CpuShares;
  readonly cpus?: number;
  /** Of one, five and fifteen minutes. */
  readonly load?: readonly [number, number, number];
  readonly cores: readonly ({ readonly name: string } & Partial<CpuShares>)[];
  readonly memory: Amounts<'limit' | 'used' | 'free' | 'cached' | 'buffers' | 'available'>;
  readonly swap: Amounts<'limit' | 'used'>;
  /** Share of the time in which some task waited for it. */
  readonly pressure: Amounts<'cpu' | 'memory' | 'io'>;
  readonly processes: Amounts<'total' | 'running' | 'blocked' | 'defunct' | 'threads'>;
  readonly connections: Amounts<'established' | 'listen' | 'timeWait'>;
  readonly openFiles?: number;
  readonly uptimeSeconds?: number;
  readonly disks: readonly Instance<'readBytes' | 'writeBytes' | 'operations' | 'busy'>[];
  readonly interfaces: readonly Instance<'receiveBytes' | 'transmitBytes' | 'errors' | 'drops'>[];
  readonly fileSystems: readonly Instance<'limit' | 'used' | 'free' | 'share'>[];
  readonly temperatures: readonly Instance<'celsius'>[];
  readonly batteries: readonly Instance<'charge' | 'discharging'>[];
  readonly container: Amounts<'cpuLimit' | 'memoryLimit' | 'memoryUsed'>;
  /** The agent itself: share of one processor, bytes. */
  readonly agent: Amounts<'cpu' | 'memory'>;
  /** Cores, disks, interfaces … that the endpoint has beyond what a sample holds. */
  readonly omitted?: number;
}

type Amounts<Name extends string> = { readonly [N in Name]?: number };
type Instance<Name extends string> = { readonly name: string } & Amounts<Name>;

type Attributes = HostMetric['attributes'];

const KEYS = {
  read: seriesKey('system.disk.io', { 'disk.io.direction': 'read' }),
  write: seriesKey('system.disk.io', { 'disk.io.direction': 'write' }),
  receive: seriesKey('system.network.io', { 'network.io.direction': 'receive' }),
  transmit: seriesKey('system.network.io', { 'network.io.direction': 'transmit' }),
};

const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'interrupt', 'softirq', 'steal'] as const;

/** The part of a reading that history lines show. */
export type HostTraffic = Pick<HostReading, 'cpu' | 'memory'> & {
  readonly disks: readonly Instance<'readBytes' | 'writeBytes'>[];
  readonly interfaces: readonly Instance<'receiveBytes' | 'transmitBytes'>[];
};

/** What history lines show of a sample, for a tenth of the work of all of it: a past has hundreds. */
export function readTraffic(sample: HostSample, before: HostSample | undefined): HostTraffic {
  return new Reader(sample, before).traffic();
}

/** Reads a sample; `before` is the one before it, without which no rate is known. */
export function readHost(sample: HostSample, before: HostSample | undefined): HostReading {
  return new Reader(sample, before).reading();
}

class Reader {
  readonly #sample: HostSample;
  readonly #before: HostSample | undefined;
  readonly #seconds: number;

  constructor(sample: HostSample, before: HostSample | undefined) {
    this.#sample = sample;
    this.#before = before;
    this.#seconds = before === undefined ? 0 : (sample.atMs - before.atMs) / 1_000;
  }

  reading(): HostReading {
    const paging = (each: string) => this.#gauge('system.paging.usage', { 'system.paging.state': each });
    const [swapUsed, swapFree] = [paging('used'), paging('free')];
    const load = ['1m', '5m', '15m'].map((span) => this.#gauge(`system.cpu.load_average.${span}`));
    return {
      ...known({
        cpu: share(this.#gauge('system.cpu.utilization')),
        cpuShares: this.#cpuShares((mode) => this.#growth('system.cpu.time', { 'cpu.mode': mode })),
        cpus: this.#gauge('system.cpu.logical.count'),
        load: load.every((one) => one !== undefined) ? (load as [number, number, number]) : undefined,
        openFiles: this.#gauge('system.linux.file_handle.count'),
        uptimeSeconds: this.#gauge('system.uptime'),
        omitted: this.#sumOf('muster.agent.omitted', 'group', [
          'core',
          'disk',
          'interface',
          'filesystem',
          'temperature',
          'battery',
        ]),
      }),
      cores: this.#each('core', (name) =>
        this.#cpuShares((mode) => this.#growthOf('core', name, seriesKey('system.cpu.time', { 'cpu.mode': mode }))),
      ),
      memory: this.#memory(),
      swap: known({ limit: plus(swapUsed, swapFree), used: swapUsed }),
      pressure: known({ cpu: this.#stalled('cpu'), memory: this.#stalled('memory'), io: this.#stalled('io') }),
      processes: this.#processes(),
      connections: known({
        established: this.#connections('established'),
        listen: this.#connections('listen'),
        timeWait: this.#connections('time_wait'),
      }),
      ...this.#parts(),
      container: known({
        cpuLimit: this.#gauge('container.cpu.limit'),
        memoryLimit: this.#gauge('container.memory.limit'),
        memoryUsed: this.#gauge('container.memory.usage'),
      }),
      agent: known({ cpu: this.#growth('muster.agent.cpu.time'), memory: this.#gauge('muster.agent.memory.usage') }),
    };
  }

  traffic(): HostTraffic {
    return {
      ...known({ cpu: share(this.#gauge('system.cpu.utilization')) }),
      memory: this.#memory(),
      disks: this.#each('disk', (disk) => ({
        readBytes: this.#growthOf('disk', disk, KEYS.read),
        writeBytes: this.#growthOf('disk', disk, KEYS.write),
      })),
      interfaces: this.#each('interface', (one) => ({
        receiveBytes: this.#growthOf('interface', one, KEYS.receive),
        transmitBytes: this.#growthOf('interface', one, KEYS.transmit),
      })),
    };
  }

  #memory(): HostReading['memory'] {
    const state = (each: string) => this.#gauge('system.memory.usage', { 'system.memory.state': each });
    return known({
      limit: this.#gauge('system.memory.limit'),
      used: state('used'),
      free: state('free'),
      cached: state('cached'),
      buffers: state('buffers'),
      available: this.#gauge('system.linux.memory.available'),
    });
  }

  #processes(): HostReading['processes'] {
    const name = 'system.process.count';
    const states = ['running', 'sleeping', 'blocked', 'stopped', 'defunct'];
    const one = (state: string) => this.#gauge(name, { 'process.status': state });
    return known({
      total: this.#sumOf(name, 'process.status', states),
      running: one('running'),
      blocked: one('blocked'),
      defunct: one('defunct'),
      threads: this.#gauge('system.thread.count'),
    });
  }

  /** What a host has several of, but cores. */
  #parts(): Pick<HostReading, 'disks' | 'interfaces' | 'fileSystems' | 'temperatures' | 'batteries'> {
    return {
      disks: this.#each('disk', (disk) => {
        const way = (name: string, direction: string) =>
          this.#growthOf('disk', disk, seriesKey(name, { 'disk.io.direction': direction }));
        return {
          readBytes: way('system.disk.io', 'read'),
          writeBytes: way('system.disk.io', 'write'),
          operations: plus(way('system.disk.operations', 'read'), way('system.disk.operations', 'write')),
          busy: share(this.#growthOf('disk', disk, seriesKey('system.disk.io_time'))),
        };
      }),
      interfaces: this.#each('interface', (one) => {
        const way = (name: string, direction: string) =>
          this.#growthOf('interface', one, seriesKey(name, { 'network.io.direction': direction }));
        const both = (name: string) => plus(way(name, 'receive'), way(name, 'transmit'));
        return {
          receiveBytes: way('system.network.io', 'receive'),
          transmitBytes: way('system.network.io', 'transmit'),
          errors: both('system.network.errors'),
          drops: both('system.network.packet.dropped'),
        };
      }),
      fileSystems: this.#each('filesystem', (mount) => {
        const state = (each: string) =>
          this.#gaugeOf('filesystem', mount, 'system.filesystem.usage', { 'system.filesystem.state': each });
        const [used, free] = [state('used'), state('free')];
        const limit = this.#gaugeOf('filesystem', mount, 'system.filesystem.limit');
        // Of what programs without privileges may use, as `df` has it.
        return { limit, used, free, share: ratio(used, plus(used, free)) };
      }),
      temperatures: this.#each('temperature', (sensor) => ({
        celsius: this.#gaugeOf('temperature', sensor, 'hw.temperature'),
      })),
      batteries: this.#each('battery', (battery) => ({
        charge: share(this.#gaugeOf('battery', battery, 'hw.battery.charge')),
        discharging: this.#gaugeOf('battery', battery, 'hw.battery.discharging'),
      })),
    };
  }

  #each<T extends object>(
    group: Group,
    read: (name: string) => T | undefined,
  ): ({ readonly name: string } & Known<T>)[] {
    return this.#sample.series.instances(group).map((name) => ({ name, ...known((read(name) ?? {}) as T) }));
  }

  #cpuShares(growth: (mode: string) => number | undefined): CpuShares | undefined {
    const of = Object.fromEntries(MODES.map((mode) => [mode, growth(mode) ?? 0])) as Record<
      (typeof MODES)[number],
      number
    >;
    const total = MODES.reduce((sum, mode) => sum + of[mode], 0);
    if (!(total > 0)) return undefined;
    return {
      busy: (total - of.idle - of.iowait) / total,
      user: (of.user + of.nice) / total,
      system: (of.system + of.interrupt + of.softirq) / total,
      iowait: of.iowait / total,
      steal: of.steal / total,
    };
  }

  #stalled(resource: string): number | undefined {
    return share(this.#growth('system.linux.pressure.stall_time', { resource, stalled: 'some' }));
  }

  #connections(state: string): number | undefined {
    const attributes = { 'network.transport': 'tcp', 'network.connection.state': state };
    return this.#gauge('system.network.connection.count', attributes);
  }

  #sumOf(name: string, attribute: string, values: readonly string[]): number | undefined {
    return values.map((value) => this.#gauge(name, { [attribute]: value })).reduce(plusKnown, undefined);
  }

  #gauge(name: string, attributes: Attributes = {}): number | undefined {
    return valueAt(this.#sample, this.#sample.series.host(seriesKey(name, attributes)));
  }

  #gaugeOf(group: Group, instance: string, name: string, attributes: Attributes = {}): number | undefined {
    return valueAt(this.#sample, this.#sample.series.ofInstance(group, instance, seriesKey(name, attributes)));
  }

  /** Of a counter, per second. */
  #growth(name: string, attributes: Attributes = {}): number | undefined {
    return this.#rate((series) => series.host(seriesKey(name, attributes)));
  }

  #growthOf(group: Group, instance: string, key: SeriesKey): number | undefined {
    return this.#rate((series) => series.ofInstance(group, instance, key));
  }

  /** Nothing when the clock stood still or went back, or the counter began anew. */
  #rate(find: (series: HostSeries) => number | undefined): number | undefined {
    const [sample, before] = [this.#sample, this.#before];
    if (before === undefined || !(this.#seconds > 0)) return undefined;
    const position = find(sample.series);
    const now = valueAt(sample, position);
    const then = valueAt(before, before.series === sample.series ? position : find(before.series));
    return now === undefined || then === undefined || now < then ? undefined : (now - then) / this.#seconds;
  }
}

/** Endpoints may say anything: what is no measurement is not known. */
function valueAt({ values }: HostSample, position: number | undefined): number | undefined {
  const value = position === undefined ? undefined : values[position];
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

function share(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(value, 1);
}

/** A part of a whole. */
export function ratio(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || whole === undefined || whole <= 0 ? undefined : Math.min(part / whole, 1);
}

function plus(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}

/** The sum of what is known. */
export function plusKnown(sum: number | undefined, value: number | undefined): number | undefined {
  return value === undefined ? sum : (sum ?? 0) + value;
}

type Known<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the members that are undefined. */
function known<T extends object>(members: T): Known<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Known<T>;
}
