import {
  GROUP_METRICS,
  groupMetric,
  GROUPS,
  groupOffset,
  HOST_METRICS,
  hostMetric,
  makeShape,
  type Group,
  type HostMetric,
  type Shape,
} from '@muster/host-metrics';
import { seededUnit } from '../machine/seeded.js';

/** What the numbers of a simulated machine are derived from. */
export interface HostSeed {
  readonly seed: number;
  readonly index: number;
}

const names = (count: number, prefix: string): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

function shape(cores: number, disks: number, mounts: readonly string[]): Shape {
  return makeShape({
    core: names(cores, ''),
    disk: names(disks, 'nvme'),
    interface: ['lo', ...names(1, 'eth')],
    filesystem: mounts,
  });
}

/** A fleet has few kinds of hardware. All machines of one kind share one shape. */
const SHAPES = [
  shape(2, 1, ['/']),
  shape(4, 1, ['/', '/boot']),
  shape(8, 2, ['/', '/boot', '/var']),
  shape(16, 4, ['/', '/var', '/srv']),
] as const;

export function shapeOf({ index }: HostSeed): Shape {
  return SHAPES[index % SHAPES.length] ?? SHAPES[0];
}

const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'interrupt', 'softirq', 'steal'] as const;
/** How the time that is not idle is shared out. */
const SHARES: Readonly<Record<string, number>> = { user: 0.7, system: 0.2, iowait: 0.05, softirq: 0.05 };
const HOST = {
  cpu: hostMetric('system.cpu.utilization'),
  modes: MODES.map((mode) => hostMetric('system.cpu.time', { 'cpu.mode': mode })),
  cores: hostMetric('system.cpu.logical.count'),
  load: ['1m', '5m', '15m'].map((span) => hostMetric(`system.cpu.load_average.${span}`)),
  limit: hostMetric('system.memory.limit'),
  memory: ['used', 'free', 'cached', 'buffers'].map((state) =>
    hostMetric('system.memory.usage', { 'system.memory.state': state }),
  ),
  available: hostMetric('system.linux.memory.available'),
  uptime: hostMetric('system.uptime'),
};
const CORE_MODES = ['user', 'system', 'idle', 'iowait', 'steal'].map(
  (mode) => [mode, groupMetric('core', 'system.cpu.time', { 'cpu.mode': mode })] as const,
);
const DISK_LIMIT = groupMetric('filesystem', 'system.filesystem.limit');
const DISK_STATES = ['used', 'free', 'reserved'].map((state) =>
  groupMetric('filesystem', 'system.filesystem.usage', { 'system.filesystem.state': state }),
);

/** Containers, batteries … are not simulated. */
const ABSENT = /^(container\.|muster\.agent\.omitted|system\.paging)/;
/** Errors and drops are rare. */
const ZERO = /error|dropped|stall/;
/** What a series that need not agree with others does. */
const COURSES = new Map(
  [HOST_METRICS, ...GROUPS.map((group) => GROUP_METRICS[group])].flat().map((metric) => [metric, courseOf(metric)]),
);

function courseOf({ name, kind, set }: HostMetric): 'absent' | 'zero' | 'grows' | 'swings' | 'stays' {
  if (ABSENT.test(name)) return 'absent';
  if (ZERO.test(name)) return 'zero';
  if (kind === 'counter') return 'grows';
  // What never changes costs nothing.
  return set === 'detailed' ? 'stays' : 'swings';
}

/** One period of the load of a machine, in seconds. */
const PERIOD_S = 300;
const DAY_S = 86_400;

/** Values as a machine of this kind could have them at `atMs`. The same for the same arguments, and counters only grow. */
export function hostValues(host: HostSeed, atMs: number): Float64Array {
  const itsShape = shapeOf(host);
  const values = new Float64Array(itsShape.length).fill(Number.NaN);
  const unit = (salt: string): number => seededUnit(host.seed, host.index, salt);
  // Machines were started at different times in the last fifty days; the epoch only keeps the numbers small.
  const uptimeS = atMs / 1_000 - 1.7e9 + unit('uptime') * 50 * DAY_S;
  const level = 0.02 + 0.5 * unit('cpu') ** 2;
  const phase = (uptimeS / PERIOD_S) * 2 * Math.PI;
  const wave = 1 + 0.8 * Math.cos(phase);
  /** The integral of `wave`. */
  const busyS = uptimeS + (0.8 * PERIOD_S * Math.sin(phase)) / (2 * Math.PI);
  fillOther(values, itsShape, { uptimeS, busyS, wave, unit });
  const cores = itsShape.names.core.length;
  values[HOST.cpu] = Math.round(1_000 * level * wave);
  values[HOST.cores] = cores;
  for (const [i, at] of HOST.modes.entries()) {
    values[at] = cores * hundredths(modeSeconds(MODES[i] ?? 'idle', { uptimeS, busyS, level }));
  }
  for (const at of HOST.load) values[at] = Math.round(100 * cores * level * wave);
  const limit = cores * 2 * 1024 * 1024;
  const [used, cached] = [0.3 + 0.4 * unit('memory'), 0.2].map((share) =>
    Math.round(limit * share * (1 + 0.02 * wave)),
  );
  const free = limit - (used ?? 0) - (cached ?? 0);
  values[HOST.limit] = limit;
  for (const [i, value] of [used ?? 0, free, cached ?? 0, 0].entries()) values[HOST.memory[i] ?? 0] = value;
  values[HOST.available] = free + (cached ?? 0);
  values[HOST.uptime] = Math.round(uptimeS);
  for (let core = 0; core < cores; core += 1) {
    for (const [mode, metric] of CORE_MODES)
      values[groupOffset(itsShape, 'core', core, metric)] = hundredths(modeSeconds(mode, { uptimeS, busyS, level }));
  }
  for (let i = 0; i < itsShape.names.filesystem.length; i += 1) {
    const size = (20 + 200 * i) * 1024 * 1024;
    const full = Math.round(size * (0.2 + 0.7 * unit(`disk ${i}`)));
    values[groupOffset(itsShape, 'filesystem', i, DISK_LIMIT)] = size;
    for (const [state, value] of [full, size - full, 0].entries())
      values[groupOffset(itsShape, 'filesystem', i, DISK_STATES[state] ?? 0)] = value;
  }
  return values;
}

interface Moment {
  readonly uptimeS: number;
  readonly busyS: number;
  readonly wave: number;
  readonly unit: (salt: string) => number;
}

/** Series that need not agree with others: gauges swing about a level, counters grow with the load. */
function fillOther(values: Float64Array, itsShape: Shape, moment: Moment): void {
  for (let i = 0; i < HOST_METRICS.length; i += 1) values[i] = plausible(HOST_METRICS[i], i, moment);
  for (const group of GROUPS) fillGroup(values, itsShape, { group, moment });
}

function fillGroup(
  values: Float64Array,
  itsShape: Shape,
  { group, moment }: { readonly group: Group; readonly moment: Moment },
): void {
  for (let instance = 0; instance < itsShape.names[group].length; instance += 1) {
    for (const [i, metric] of GROUP_METRICS[group].entries())
      values[groupOffset(itsShape, group, instance, i)] = plausible(metric, 100 * (instance + 1) + i, moment);
  }
}

function plausible(metric: HostMetric | undefined, salt: number, { busyS, wave }: Moment): number {
  const course = metric === undefined ? 'absent' : COURSES.get(metric);
  const level = 5 + (salt % 17) ** 2;
  switch (course) {
    case 'grows':
      return Math.floor(level * busyS);
    case 'swings':
      return Math.round(level * wave);
    case 'stays':
      return level;
    case 'zero':
      return 0;
    default:
      return Number.NaN;
  }
}

function modeSeconds(
  mode: string,
  { uptimeS, busyS, level }: { readonly uptimeS: number; readonly busyS: number; readonly level: number },
): number {
  return mode === 'idle' ? uptimeS - level * busyS : (SHARES[mode] ?? 0) * level * busyS;
}

function hundredths(seconds: number): number {
  return Math.floor(100 * seconds);
}
