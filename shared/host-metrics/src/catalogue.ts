/** `counter`: grows from the start of the machine, may start again at 0. `gauge`: the value at the moment of the sample. */
export type MetricKind = 'counter' | 'gauge';

/**
 * `standard`: a few files, read every second while somebody watches. `detailed`: dearer, read every five seconds while
 * somebody watches; samples in between repeat the last value, which costs no bytes.
 */
export type MetricSet = 'standard' | 'detailed';

/** One series of a host. Names, attributes and units follow OpenTelemetry's `system.*` conventions and its host metrics receiver. */
export interface HostMetric {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** UCUM: `By`, `s`, `1` (a ratio), `Cel`, `{process}` … */
  readonly unit: string;
  readonly kind: MetricKind;
  readonly set: MetricSet;
  /** A sample holds integers; the value in `unit` is the integer times this. */
  readonly scale: number;
}

/** The kinds of parts of which a host has several, each with a name. */
export const GROUPS = ['core', 'disk', 'interface', 'filesystem', 'temperature', 'battery'] as const;
export type Group = (typeof GROUPS)[number];

/** The attribute that names an instance of a group. */
export const GROUP_ATTRIBUTE: Readonly<Record<Group, string>> = {
  core: 'cpu',
  disk: 'device',
  interface: 'network.interface.name',
  filesystem: 'mountpoint',
  temperature: 'sensor',
  battery: 'battery',
};

interface Definition {
  readonly name: string;
  readonly unit: string;
  readonly kind: MetricKind;
  readonly set?: MetricSet;
  readonly scale?: number;
}

function series(
  { set = 'standard', scale = 1, ...definition }: Definition,
  ...attributes: HostMetric['attributes'][]
): HostMetric[] {
  return (attributes.length === 0 ? [{}] : attributes).map((each) => ({ ...definition, set, scale, attributes: each }));
}

const each = <K extends string>(key: K, ...values: string[]): Record<K, string>[] =>
  values.map((value) => ({ [key]: value }) as Record<K, string>);

const CPU_TIME = { name: 'system.cpu.time', unit: 's', kind: 'counter', scale: 0.01 } as const;
const TCP_STATES = [
  ...['established', 'syn_sent', 'syn_recv', 'fin_wait_1', 'fin_wait_2', 'time_wait'],
  ...['close', 'close_wait', 'last_ack', 'listen', 'closing'],
];

/**
 * The series that a host has once. Their index is their number on the wire: new ones are added at the end, none is
 * removed, and an endpoint that cannot measure one leaves it absent.
 */
export const HOST_METRICS: readonly HostMetric[] = [
  // All time in which the processors were not idle and did not wait for a disk, since the last sample, as a share of all processors.
  ...series({ name: 'system.cpu.utilization', unit: '1', kind: 'gauge', scale: 0.001 }),
  ...series(CPU_TIME, ...each('cpu.mode', 'user', 'nice', 'system', 'idle', 'iowait', 'interrupt', 'softirq', 'steal')),
  ...series({ name: 'system.cpu.logical.count', unit: '{cpu}', kind: 'gauge' }),
  ...series({ name: 'system.cpu.load_average.1m', unit: '{thread}', kind: 'gauge', scale: 0.01 }),
  ...series({ name: 'system.cpu.load_average.5m', unit: '{thread}', kind: 'gauge', scale: 0.01 }),
  ...series({ name: 'system.cpu.load_average.15m', unit: '{thread}', kind: 'gauge', scale: 0.01 }),
  // The kernel counts memory in KiB.
  ...series({ name: 'system.memory.limit', unit: 'By', kind: 'gauge', scale: 1024 }),
  ...series(
    { name: 'system.memory.usage', unit: 'By', kind: 'gauge', scale: 1024 },
    ...each('system.memory.state', 'used', 'free', 'cached', 'buffers'),
  ),
  ...series({ name: 'system.linux.memory.available', unit: 'By', kind: 'gauge', scale: 1024 }),
  ...series(
    { name: 'system.paging.usage', unit: 'By', kind: 'gauge', scale: 1024 },
    ...each('system.paging.state', 'used', 'free'),
  ),
  ...series(
    { name: 'system.linux.pressure.stall_time', unit: 's', kind: 'counter', scale: 1e-6 },
    { resource: 'cpu', stalled: 'some' },
    { resource: 'memory', stalled: 'some' },
    { resource: 'memory', stalled: 'full' },
    { resource: 'io', stalled: 'some' },
    { resource: 'io', stalled: 'full' },
  ),
  ...series({ name: 'system.process.created', unit: '{process}', kind: 'counter' }),
  ...series({ name: 'system.uptime', unit: 's', kind: 'gauge' }),
  ...series(
    { name: 'system.process.count', unit: '{process}', kind: 'gauge', set: 'detailed' },
    ...each('process.status', 'running', 'sleeping', 'blocked', 'stopped', 'defunct'),
  ),
  ...series({ name: 'system.thread.count', unit: '{thread}', kind: 'gauge', set: 'detailed' }),
  ...series(
    { name: 'system.network.connection.count', unit: '{connection}', kind: 'gauge', set: 'detailed' },
    ...TCP_STATES.map((state) => ({ 'network.transport': 'tcp', 'network.connection.state': state })),
  ),
  ...series({ name: 'system.linux.file_handle.count', unit: '{file}', kind: 'gauge', set: 'detailed' }),
  ...series({ name: 'system.linux.file_handle.limit', unit: '{file}', kind: 'gauge', set: 'detailed' }),
  // Of the container in which the agent runs; absent where there is no limit.
  ...series({ name: 'container.cpu.limit', unit: '{cpu}', kind: 'gauge', set: 'detailed', scale: 0.001 }),
  ...series({ name: 'container.memory.limit', unit: 'By', kind: 'gauge', set: 'detailed' }),
  ...series({ name: 'container.memory.usage', unit: 'By', kind: 'gauge', set: 'detailed' }),
  ...series({ name: 'container.cpu.throttled_time', unit: 's', kind: 'counter', set: 'detailed', scale: 1e-6 }),
  ...series({ name: 'muster.agent.cpu.time', unit: 's', kind: 'counter', scale: 0.001 }),
  ...series({ name: 'muster.agent.memory.usage', unit: 'By', kind: 'gauge', scale: 1024 }),
  // Cores, disks, interfaces … beyond what a sample holds.
  ...series(
    { name: 'muster.agent.omitted', unit: '{instance}', kind: 'gauge', set: 'detailed' },
    ...each('group', ...GROUPS),
  ),
];

const DIRECTION = 'disk.io.direction';
const NETWORK = 'network.io.direction';

/** The series of each instance of a group. Their index is their number on the wire, as above. */
export const GROUP_METRICS: Readonly<Record<Group, readonly HostMetric[]>> = {
  core: series(CPU_TIME, ...each('cpu.mode', 'user', 'system', 'idle', 'iowait', 'steal')),
  disk: [
    ...series({ name: 'system.disk.io', unit: 'By', kind: 'counter', scale: 512 }, ...each(DIRECTION, 'read', 'write')),
    ...series(
      { name: 'system.disk.operations', unit: '{operation}', kind: 'counter' },
      ...each(DIRECTION, 'read', 'write'),
    ),
    ...series(
      { name: 'system.disk.operation_time', unit: 's', kind: 'counter', scale: 0.001 },
      ...each(DIRECTION, 'read', 'write'),
    ),
    ...series({ name: 'system.disk.io_time', unit: 's', kind: 'counter', scale: 0.001 }),
  ],
  interface: [
    ...series({ name: 'system.network.io', unit: 'By', kind: 'counter' }, ...each(NETWORK, 'receive', 'transmit')),
    ...series(
      { name: 'system.network.packet.count', unit: '{packet}', kind: 'counter' },
      ...each(NETWORK, 'receive', 'transmit'),
    ),
    ...series(
      { name: 'system.network.errors', unit: '{error}', kind: 'counter' },
      ...each(NETWORK, 'receive', 'transmit'),
    ),
    ...series(
      { name: 'system.network.packet.dropped', unit: '{packet}', kind: 'counter' },
      ...each(NETWORK, 'receive', 'transmit'),
    ),
  ],
  filesystem: [
    ...series({ name: 'system.filesystem.limit', unit: 'By', kind: 'gauge', set: 'detailed', scale: 1024 }),
    // `free` is what programs without privileges may still use; `reserved` is free only for root.
    ...series(
      { name: 'system.filesystem.usage', unit: 'By', kind: 'gauge', set: 'detailed', scale: 1024 },
      ...each('system.filesystem.state', 'used', 'free', 'reserved'),
    ),
    ...series(
      { name: 'system.filesystem.inodes.usage', unit: '{inode}', kind: 'gauge', set: 'detailed' },
      ...each('system.filesystem.state', 'used', 'free'),
    ),
  ],
  temperature: series({ name: 'hw.temperature', unit: 'Cel', kind: 'gauge', set: 'detailed', scale: 0.1 }),
  battery: [
    ...series({ name: 'hw.battery.charge', unit: '1', kind: 'gauge', set: 'detailed', scale: 0.01 }),
    ...series({ name: 'hw.battery.discharging', unit: '1', kind: 'gauge', set: 'detailed' }),
  ],
};

/** How many instances of a group a sample holds at most; an endpoint counts the rest in `muster.agent.omitted`. */
export const GROUP_LIMIT: Readonly<Record<Group, number>> = {
  core: 256,
  disk: 32,
  interface: 32,
  filesystem: 32,
  temperature: 16,
  battery: 4,
};

/** Of an instance's name, as UTF-8. Longer ones are cut. */
export const INSTANCE_NAME_BYTES = 128;

/**
 * The number of a series that a host has once. Throws on a name that the catalogue does not have: that is a bug of the caller.
 */
export function hostMetric(name: string, attributes: HostMetric['attributes'] = {}): number {
  return position(HOST_METRICS, name, attributes);
}

/** The number of a series within its group. Throws as above. */
export function groupMetric(group: Group, name: string, attributes: HostMetric['attributes'] = {}): number {
  return position(GROUP_METRICS[group], name, attributes);
}

function position(metrics: readonly HostMetric[], name: string, attributes: HostMetric['attributes']): number {
  const wanted = Object.entries(attributes);
  const index = metrics.findIndex(
    (metric) => metric.name === name && wanted.every(([key, value]) => metric.attributes[key] === value),
  );
  if (index === -1) throw new Error(`no host metric ${name} ${JSON.stringify(attributes)}`);
  return index;
}
