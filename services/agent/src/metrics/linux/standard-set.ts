import { readdirSync } from 'node:fs';
import { GROUP_LIMIT, hostMetric } from '@muster/host-metrics';
import type { AgentUsage } from './agent-usage.js';
import { InstanceSelection, placeInstances } from '../contract/instance-selection.js';
import { Measurements } from '../contract/measurements.js';
import { KernelFile } from './kernel-file.js';
import { SteadyTimes } from './steady-times.js';
import { parseCpuStat } from './parse/cpu.js';
import { parseDiskstats, parseNetDev } from './parse/devices.js';
import { parseLoadavg, parsePressure, type PressureResource, parseUptime } from './parse/load.js';
import { parseMeminfo } from './parse/memory.js';
import { TextScanner } from './parse/text-scanner.js';

export interface StandardSetOptions {
  readonly usage: AgentUsage;
  /** Where `proc` and `sys` are; empty unless given. */
  readonly root?: string;
}

const PRESSURES = ['cpu', 'memory', 'io'] as const;

const OMITTED_CORES = hostMetric('muster.agent.omitted', { group: 'core' });

/** The times of all processors are next to each other in the catalogue. */
const FIRST_TIME = hostMetric('system.cpu.time', { 'cpu.mode': 'user' });
const CPU_MODES = 8;

/** Memory and files as disks: nothing that wears out or is slow. */
const NO_DISK = /^(?:loop|ram|zram|fd)\d/;
/** Where `/sys/block` cannot be read: `sda1`, `nvme0n1p2`, `mmcblk0p1`. */
const PARTITION = /^(?:(?:h|s|v|xv)d[a-z]+\d+|(?:nvme\d+n\d+|mmcblk\d+)p\d+)$/;
/**
 * The ends of containers and of virtual machines, which come and go, and each of which would be a new series. Their
 * traffic is that of a bridge, too.
 */
const OF_A_GUEST = /^(?:veth|cali|lxc|vnet|tap)/;

/** The standard set of a Linux machine: ten files of `/proc`, which stay open. */
export class StandardSet {
  readonly #stat: KernelFile;
  readonly #meminfo: KernelFile;
  readonly #loadavg: KernelFile;
  readonly #uptime: KernelFile;
  readonly #diskstats: KernelFile;
  readonly #netDev: KernelFile;
  readonly #pressures: Readonly<Record<PressureResource, KernelFile>>;
  readonly #disks: InstanceSelection;
  readonly #interfaces: InstanceSelection;
  readonly #usage: AgentUsage;
  readonly #hostTimes = new SteadyTimes();
  readonly #coreTimes = new SteadyTimes();

  constructor({ usage, root = '' }: StandardSetOptions) {
    const file = (path: string): KernelFile => new KernelFile(`${root}/proc/${path}`);
    this.#usage = usage;
    this.#stat = file('stat');
    this.#meminfo = file('meminfo');
    this.#loadavg = file('loadavg');
    this.#uptime = file('uptime');
    this.#diskstats = file('diskstats');
    this.#netDev = file('net/dev');
    this.#pressures = { cpu: file('pressure/cpu'), memory: file('pressure/memory'), io: file('pressure/io') };
    this.#disks = new InstanceSelection({ limit: GROUP_LIMIT.disk, judge: wholeDisks(`${root}/sys/block`) });
    this.#interfaces = new InstanceSelection({
      limit: GROUP_LIMIT.interface,
      judge: (key) => (OF_A_GUEST.test(key) ? 'omit' : 'take'),
    });
  }

  read(): Measurements {
    const set = new Measurements();
    const { host } = set;
    this.#readCpu(set);
    scan(this.#meminfo, (text) => parseMeminfo(text, host));
    scan(this.#loadavg, (text) => parseLoadavg(text, host));
    scan(this.#uptime, (text) => parseUptime(text, host));
    for (const resource of PRESSURES) {
      scan(this.#pressures[resource], (text) => parsePressure(text, resource, host));
    }
    scan(this.#diskstats, (text) => placeInstances(set, 'disk', this.#disks, parseDiskstats(text)));
    scan(this.#netDev, (text) => placeInstances(set, 'interface', this.#interfaces, parseNetDev(text)));
    this.#usage.read(host);
    return set;
  }

  close(): void {
    this.#usage.close();
    const files = [this.#stat, this.#meminfo, this.#loadavg, this.#uptime, this.#diskstats, this.#netDev];
    for (const file of [...files, ...Object.values(this.#pressures)]) file.close();
  }

  #readCpu(set: Measurements): void {
    scan(this.#stat, (text) => {
      const { cores, values, omitted: more } = parseCpuStat(text, set.host);
      this.#hostTimes.hold(set.host.subarray(FIRST_TIME, FIRST_TIME + CPU_MODES));
      this.#coreTimes.hold(values);
      set.groups.core = { names: cores, values };
      set.host[OMITTED_CORES] = more;
    });
  }
}

function scan(file: KernelFile, parse: (text: TextScanner) => void): void {
  const bytes = file.read();
  if (bytes !== undefined) parse(new TextScanner(bytes));
}

/** Tells disks from partitions by the folder that has only disks. */
function wholeDisks(folder: string): (key: string) => 'take' | 'ignore' {
  let disks: ReadonlySet<string> | undefined;
  return (key) => {
    // A name that is not known yet is a new disk, or a partition.
    if (disks?.has(key) !== true) disks = readNames(folder);
    const isDisk = disks === undefined ? !PARTITION.test(key) : disks.has(key);
    return isDisk && !NO_DISK.test(key) ? 'take' : 'ignore';
  };
}

/** The kernel writes `!` for a slash in the name of a disk. */
function readNames(folder: string): ReadonlySet<string> | undefined {
  try {
    return new Set(readdirSync(folder, 'latin1').map((name) => name.replaceAll('!', '/')));
  } catch {
    return undefined;
  }
}
