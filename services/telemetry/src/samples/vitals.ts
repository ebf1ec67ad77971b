import {
  groupMetric,
  groupNumber,
  GROUP_METRICS,
  HOST_METRICS,
  hostMetric,
  type SampleScanner,
} from '@muster/host-metrics';

/**
 * The few numbers of an endpoint that the fleet is counted by, sorted by, and judged healthy by.
 *
 * `cpu`, `memory`: share used, 0 to 1. `disk`: share used of its fullest file system. `load`: of one minute, per processor. `disk_io`,
 * `network`: bytes a second, both directions, without loopback. `clock`: seconds that the endpoint's clock is ahead of the gateway's.
 * `agent`: share of one processor that the agent itself takes.
 */
export const VITALS = ['cpu', 'memory', 'disk', 'load', 'disk_io', 'network', 'clock', 'agent'] as const;
export type Vital = (typeof VITALS)[number];

/**
 * Totals from which rates are made: bytes of disks, bytes of interfaces, the agent's processor time in milliseconds;
 * and the host's uptime in seconds.
 */
export const COUNTERS = 4;
const UPTIME_AT = 3;

/** Why a value was left out. */
export type ValueFault = 'out_of_range' | 'counter_back' | 'clock_jump';

/** What rates are measured against: the sample before, of the same session. */
export interface Before {
  /** `NaN` where there was none. */
  readonly counters: Float64Array;
  /** When it was measured, by the endpoint's clock and the gateway's, Unix milliseconds. */
  readonly atMs: number;
  readonly receivedMs: number;
}

const CPU = hostMetric('system.cpu.utilization');
const CPUS = hostMetric('system.cpu.logical.count');
const LOAD = hostMetric('system.cpu.load_average.1m');
const MEMORY = hostMetric('system.memory.limit');
const MEMORY_USED = hostMetric('system.memory.usage', { 'system.memory.state': 'used' });
const AVAILABLE = hostMetric('system.linux.memory.available');
const AGENT_TIME = hostMetric('muster.agent.cpu.time');
const UPTIME = hostMetric('system.uptime');

const DISK = groupNumber('disk');
const DISK_IO = ['read', 'write'].map((way) => groupMetric('disk', 'system.disk.io', { 'disk.io.direction': way }));
const INTERFACE = groupNumber('interface');
const NETWORK_IO = ['receive', 'transmit'].map((way) =>
  groupMetric('interface', 'system.network.io', { 'network.io.direction': way }),
);
const FILE_SYSTEM = groupNumber('filesystem');
const [USED, FREE] = ['used', 'free'].map((state) =>
  groupMetric('filesystem', 'system.filesystem.usage', { 'system.filesystem.state': state }),
) as [number, number];

const scaleOf = (metric: { readonly scale: number } | undefined): number => metric?.scale ?? 1;
const DISK_SCALE = scaleOf(GROUP_METRICS.disk[DISK_IO[0] as number]);
const AGENT_SCALE = scaleOf(HOST_METRICS[AGENT_TIME]);
const UPTIME_SCALE = scaleOf(HOST_METRICS[UPTIME]);
const CPU_SCALE = scaleOf(HOST_METRICS[CPU]);
const LOAD_SCALE = scaleOf(HOST_METRICS[LOAD]);

/** Loads and rates above these are no measurement. */
const MOST_LOAD = 10_000;
const MOST_BYTES_PER_SECOND = 1e13;
const MOST_CLOCK_SECONDS = 1e9;
/** Two clocks may disagree by so much about the time between two samples before no rate is made of it. */
const CLOCK_TOLERANCE_MS = 2_000;
const CLOCK_TOLERANCE = 0.2;

/** Makes vitals of samples. One for all endpoints: it keeps nothing but the last result. */
export class VitalsReader {
  /** By the index in {@link VITALS}; `NaN` where unknown. Overwritten by the next `read`. */
  readonly vitals = new Float64Array(VITALS.length);
  /** The totals of this sample. Overwritten by the next `read`. */
  readonly counters = new Float64Array(COUNTERS);
  readonly #onFault: (fault: ValueFault) => void;

  constructor(onFault: (fault: ValueFault) => void) {
    this.#onFault = onFault;
  }

  /** `receivedMs` is the gateway's clock when the sample was measured. */
  read(sample: SampleScanner, receivedMs: number, before: Before | undefined): void {
    const { values } = sample;
    const out = this.vitals;
    out[0] = this.#within((values[CPU] as number) * CPU_SCALE, 1);
    out[1] = this.#memory(values);
    out[2] = this.#fullest(sample);
    out[3] = this.#load(values);
    out[6] = this.#clock(sample.atMs - receivedMs);
    this.counters[0] = sumOf(sample, DISK, DISK_IO) * DISK_SCALE;
    this.counters[1] = sumOf(sample, INTERFACE, NETWORK_IO);
    this.counters[2] = (values[AGENT_TIME] as number) * AGENT_SCALE;
    this.counters[UPTIME_AT] = (values[UPTIME] as number) * UPTIME_SCALE;
    const seconds = this.#secondsSince(sample, receivedMs, before);
    out[4] = this.#rate(0, seconds, before, MOST_BYTES_PER_SECOND);
    out[5] = this.#rate(1, seconds, before, MOST_BYTES_PER_SECOND);
    out[7] = this.#rate(2, seconds, before, 1_024);
  }

  #memory(values: Float64Array): number {
    const limit = values[MEMORY] as number;
    const available = values[AVAILABLE] as number;
    const used = Number.isNaN(available) ? (values[MEMORY_USED] as number) : limit - available;
    return Number.isNaN(used) || Number.isNaN(limit) ? Number.NaN : this.#within(used / limit, 1);
  }

  /** File systems without a size, such as those of the kernel, are not full. */
  #fullest({ values, offsets, instances }: SampleScanner): number {
    const width = GROUP_METRICS.filesystem.length;
    let fullest = Number.NaN;
    for (let i = 0; i < (instances[FILE_SYSTEM] as number); i += 1) {
      const at = (offsets[FILE_SYSTEM] as number) + i * width;
      const used = values[at + USED] as number;
      const size = used + (values[at + FREE] as number);
      if (Number.isNaN(size) || size === 0) continue;
      const share = this.#within(used / size, 1);
      if (!(share <= fullest)) fullest = Number.isNaN(share) ? fullest : share;
    }
    return fullest;
  }

  #load(values: Float64Array): number {
    const load = (values[LOAD] as number) * LOAD_SCALE;
    const cpus = values[CPUS] as number;
    if (Number.isNaN(load) || Number.isNaN(cpus)) return Number.NaN;
    return this.#within(cpus > 0 ? load / cpus : -1, MOST_LOAD);
  }

  #clock(aheadMs: number): number {
    const seconds = aheadMs / 1_000;
    return Math.abs(seconds) <= MOST_CLOCK_SECONDS ? seconds : this.#fault('out_of_range');
  }

  /**
   * The time between two samples by the endpoint's clock, if the host's uptime or the gateway's clock agrees; `NaN`
   * where no rate can be made. A sample that was late on its way says nothing of the endpoint's clock.
   */
  #secondsSince(sample: SampleScanner, receivedMs: number, before: Before | undefined): number {
    if (before === undefined) return Number.NaN;
    const elapsedMs = sample.atMs - before.atMs;
    const uptimeMs = 1_000 * ((this.counters[UPTIME_AT] as number) - (before.counters[UPTIME_AT] as number));
    const isRight = agrees(elapsedMs, receivedMs - before.receivedMs) || agrees(elapsedMs, uptimeMs);
    return elapsedMs > 0 && isRight ? elapsedMs / 1_000 : this.#fault('clock_jump');
  }

  #rate(counter: number, seconds: number, before: Before | undefined, most: number): number {
    const grown = (this.counters[counter] as number) - (before?.counters[counter] ?? Number.NaN);
    if (Number.isNaN(seconds) || Number.isNaN(grown)) return Number.NaN;
    // It was reset, has wrapped, or a disk or an interface is gone.
    if (grown < 0) return this.#fault('counter_back');
    return this.#within(grown / seconds, most);
  }

  #within(value: number, most: number): number {
    if (Number.isNaN(value)) return value;
    return value >= 0 && value <= most ? value : this.#fault('out_of_range');
  }

  #fault(fault: ValueFault): number {
    this.#onFault(fault);
    return Number.NaN;
  }
}

function agrees(elapsedMs: number, otherMs: number): boolean {
  return Math.abs(elapsedMs - otherMs) <= Math.max(CLOCK_TOLERANCE_MS, CLOCK_TOLERANCE * Math.abs(otherMs));
}

/** The sum of these metrics over all instances; absent values count as nothing. `NaN` when there is no instance. */
function sumOf(sample: SampleScanner, group: number, metrics: readonly number[]): number {
  const { values, offsets, instances } = sample;
  const width = group === DISK ? GROUP_METRICS.disk.length : GROUP_METRICS.interface.length;
  let sum = Number.NaN;
  for (let i = 0; i < (instances[group] as number); i += 1) {
    if (group === INTERFACE && sample.isNamed(group, i, 'lo')) continue;
    for (const metric of metrics) {
      const value = values[(offsets[group] as number) + i * width + metric] as number;
      if (!Number.isNaN(value)) sum = (Number.isNaN(sum) ? 0 : sum) + value;
    }
  }
  return sum;
}
