import { decodeRow } from '@muster/protocol';
import { readGroupBlock, type ResultEvent } from '@muster/records';
import {
  debianPackages,
  ecosystemOf,
  type HostSystem,
  type InstalledPackage,
  packageKey,
  rpmPackages,
} from '@muster/vulnerabilities';
import { INVENTORY_COLUMNS } from './inventory-questions.js';

/** One package in one version, and how many endpoints have it. */
export interface FleetPackage extends InstalledPackage {
  endpointsAtLeast: number;
  endpointsAtMost: number;
  sample: number[];
}

/** While it is counted. Endpoints of one system may have a package in two rows, those of two systems are others. */
interface Counting extends FleetPackage {
  system: string;
  before: number;
}

/** Endpoints of one system. */
export interface FleetHost {
  readonly platform: string;
  readonly release: string;
  /** OSV's name; absent where Muster knows none. */
  readonly ecosystem?: string;
  readonly hasPackages: boolean;
  readonly endpoints: number;
}

/** A running kernel that is of no package. */
export interface FleetKernel {
  readonly ecosystem: string;
  /** `uname -r`; empty where it could not be read. */
  readonly kernel: string;
  readonly endpoints: number;
}

type Row = Record<(typeof INVENTORY_COLUMNS)[number], string>;

interface Group {
  readonly row: Row;
  readonly endpoints: number;
  readonly sample: readonly number[];
}

/** Distinct packages of a fleet. */
const MAX_PACKAGES = 500_000;
const SAMPLE = 10;
const MAX_CHARS = 512;

/** The software of a fleet: distinct packages with numbers of endpoints. Nothing here grows with endpoints. */
export class Inventory {
  readonly packages = new Map<string, Counting>();
  readonly hosts: FleetHost[] = [];
  /** Running kernels that are of no package, by system. */
  readonly kernels: FleetKernel[] = [];
  /** Packages whose system has no ecosystem, by platform and release. */
  readonly foreign = new Map<string, { packages: number; sample: string[] }>();
  /** Why not everything is in it. */
  cut: string | undefined;
  #answered = 0;
  /** By index: the newest state of a group replaces the one before. */
  #groups = new Map<number, Group>();

  /** Events of one question, in the order of the stream; then {@link endQuestion}. */
  apply(event: ResultEvent): void {
    if (event.t !== 'groups') return;
    for (const { index, row, endpoints, sample } of readGroupBlock(event.groups)) {
      const read = rowOf(decodeRow(row));
      if (read !== undefined) this.#groups.set(index, { row: read, endpoints, sample });
    }
  }

  /** `answered`: no more endpoints than these can have anything. */
  endQuestion(answered: number): void {
    this.#answered = answered;
    const inOrder = [...this.#groups.values()].toSorted((one, other) =>
      systemOf(one.row) < systemOf(other.row) ? -1 : 1,
    );
    for (const group of inOrder) this.#add(group);
    this.#groups = new Map();
  }

  /** The names of all packages, as {@link packageKey} makes them. */
  names(): Set<string> {
    const names = new Set<string>();
    for (const { ecosystem, name } of this.packages.values()) names.add(packageKey(ecosystem, name));
    return names;
  }

  #add({ row, endpoints, sample }: Group): void {
    const { kind, platform, release, kernel, version } = row;
    const system = { platform, version: release };
    if (kind === 'host') {
      const ecosystem = ecosystemOf(system);
      this.hosts.push({
        ...{ platform, release, endpoints, hasPackages: version !== '' },
        ...(ecosystem === undefined ? {} : { ecosystem }),
      });
      return;
    }
    if (kind === 'kernel') {
      const ecosystem = ecosystemOf(system);
      if (ecosystem !== undefined) this.kernels.push({ ecosystem, kernel: version, endpoints });
      return;
    }
    const found = packagesOf(row, kernel === '' ? system : { ...system, kernel });
    if (found.length === 0) return this.#addForeign(row);
    for (const one of found) this.#addPackage({ ...one, ...originOf(row.origin) }, { row, endpoints, sample });
  }

  #addForeign(row: Row): void {
    const { name, source } = row;
    const key = systemOf(row);
    const known = this.foreign.get(key) ?? { packages: 0, sample: [] };
    known.packages += 1;
    if (known.sample.length < SAMPLE) known.sample.push(name === '' ? source : name);
    this.foreign.set(key, known);
  }

  #addPackage(one: InstalledPackage, { row, endpoints, sample }: Group): void {
    // Endpoints choose names and versions.
    const key = JSON.stringify([one.ecosystem, one.name, one.version]);
    const system = systemOf(row);
    const known = this.packages.get(key);
    if (known === undefined) {
      if (this.packages.size >= MAX_PACKAGES) this.cut = `more than ${MAX_PACKAGES} packages and versions`;
      else
        this.packages.set(key, {
          ...{ ...one, system, before: 0, endpointsAtLeast: endpoints, endpointsAtMost: endpoints },
          sample: sample.slice(0, SAMPLE),
        });
      return;
    }
    // What one of them does not show is not known of any.
    if (one.origin === 'other' || known.origin === undefined) Object.assign(known, originOf(one.origin));
    if (known.system !== system) {
      known.system = system;
      known.before = known.endpointsAtLeast;
    }
    known.endpointsAtLeast = Math.max(known.endpointsAtLeast, known.before + endpoints);
    known.endpointsAtMost = Math.max(
      known.endpointsAtLeast,
      Math.min(this.#answered, known.endpointsAtMost + endpoints),
    );
    for (const num of sample) if (known.sample.length < SAMPLE && !known.sample.includes(num)) known.sample.push(num);
  }
}

function originOf(text: string | undefined): Pick<InstalledPackage, 'origin'> {
  return text === 'other' || text === 'unclear' ? { origin: text } : {};
}

const systemOf = ({ platform, release }: Row): string => `${platform} ${release}`.trim();

function packagesOf({ kind, name, version, source }: Row, host: HostSystem): InstalledPackage[] {
  switch (kind) {
    case 'deb':
      return debianPackages([{ name: name === '' ? source : name, version, source }], host);
    case 'rpm': {
      const [, epoch = '0', upstream = '', release = ''] = /^(\d+):(.*)-([^-]+)$/.exec(version) ?? [];
      return rpmPackages([{ name, version: upstream, release, epoch: Number(epoch), source }], host);
    }
    case 'npm':
      return [{ ecosystem: 'npm', name, version }];
    case 'python':
      return [{ ecosystem: 'PyPI', name, version }];
    default:
      return [];
  }
}

/** What endpoints say is of unknown origin: other rows are left out, and long texts cut. */
function rowOf(values: readonly unknown[]): Row | undefined {
  // A question that began before an update of this service has no origins.
  if (values.length !== INVENTORY_COLUMNS.length && values.length !== INVENTORY_COLUMNS.length - 1) return undefined;
  const texts = values.map((value) => (typeof value === 'string' ? value.slice(0, MAX_CHARS) : ''));
  return Object.fromEntries(INVENTORY_COLUMNS.map((column, i) => [column, texts[i] ?? ''])) as Row;
}
