import type { InventoryQuestion, NotKnown } from '@muster/records';
import type { FleetPackage, Inventory } from './inventory.js';

const SAMPLE = 10;
/** What endpoints say is of any length; the record of a scan is one message of the broker. */
const SAMPLE_CHARS = 80;
const NAME_CHARS = 120;
const REASON_CHARS = 300;
const MAX_ENTRIES = 500;
/** Of JSON, all entries together. */
const MAX_BYTES = 256 * 1024;

/** Endpoints that answered a question without something that could not be read as a whole. */
export interface WarnedQuestion {
  readonly kind: InventoryQuestion['kind'];
  readonly endpoints: number;
}

const QUESTION_NAMES = { system: 'packages of the system', language: 'packages of languages' } as const;

/** Gathers what is not known, by ecosystem and reason. */
export class NotKnownBuilder {
  readonly #found = new Map<string, NotKnown & { sample: string[] }>();

  addPackage({ ecosystem, name, version, endpointsAtLeast, endpointsAtMost }: FleetPackage, reason: string): void {
    // A reason may name the version.
    const known = this.#entry(ecosystem, reason.replace(/^"[^]*" is no version/, 'what it has is no version'));
    this.#set(known, {
      packages: known.packages + 1,
      endpointsAtLeast: Math.max(known.endpointsAtLeast, endpointsAtLeast),
      endpointsAtMost: known.endpointsAtMost + endpointsAtMost,
    });
    if (known.sample.length < SAMPLE) known.sample.push(clipped(`${name} ${version}`, SAMPLE_CHARS));
  }

  /** Who could not read everything does not have only what it tells. */
  addWarned({ kind, endpoints }: WarnedQuestion): void {
    if (endpoints === 0) return;
    const known = this.#entry(QUESTION_NAMES[kind], 'endpoints answered without something that they could not read');
    this.#set(known, { packages: 0, endpointsAtLeast: endpoints, endpointsAtMost: endpoints });
  }

  /** Endpoints whose system no feed can know, and those that showed no package at all. */
  addHosts({ hosts, foreign }: Inventory): void {
    for (const { platform, release, ecosystem, hasPackages, endpoints } of hosts) {
      if (ecosystem !== undefined && hasPackages) continue;
      const system = `${platform} ${release}`.trim();
      const reason = hasPackages
        ? 'Muster knows no OSV ecosystem of this system'
        : 'no database of dpkg or rpm could be read on it';
      const known = this.#entry(ecosystem ?? (system === '' ? 'a system without a name' : system), reason);
      const { packages = 0, sample = [] } = foreign.get(system) ?? {};
      this.#set(known, {
        packages: Math.max(known.packages, packages),
        endpointsAtLeast: known.endpointsAtLeast + endpoints,
        endpointsAtMost: known.endpointsAtMost + endpoints,
      });
      for (const one of sample) if (known.sample.length < SAMPLE) known.sample.push(clipped(one, SAMPLE_CHARS));
    }
  }

  /** Feeds name kernels by their packages. */
  addKernels({ kernels }: Inventory): void {
    for (const { ecosystem, kernel, endpoints } of kernels) {
      const reason =
        kernel === ''
          ? 'the running kernel could not be read, and no kernel is compared'
          : 'the running kernel is of no package: built by hand, or that of the host of a container';
      const known = this.#entry(ecosystem, reason);
      this.#set(known, {
        packages: 0,
        endpointsAtLeast: known.endpointsAtLeast + endpoints,
        endpointsAtMost: known.endpointsAtMost + endpoints,
      });
      if (kernel !== '' && known.sample.length < SAMPLE) known.sample.push(clipped(kernel, SAMPLE_CHARS));
    }
  }

  /**
   * `answered`: no more endpoints than these can have anything. Those that concern most of them first; the last one
   * stands for what is left out.
   */
  all(answered: number): NotKnown[] {
    const all = [...this.#found.values()]
      .map((one) => ({
        ...one,
        endpointsAtMost: Math.max(one.endpointsAtLeast, Math.min(answered, one.endpointsAtMost)),
      }))
      .toSorted((one, other) => other.endpointsAtMost - one.endpointsAtMost || other.packages - one.packages);
    let bytes = 0;
    const shown = all.findIndex((one, index) => {
      bytes += Buffer.byteLength(JSON.stringify(one));
      return index >= MAX_ENTRIES || bytes > MAX_BYTES;
    });
    return shown < 0 ? all : [...all.slice(0, shown), restOf(all.slice(shown), answered)];
  }

  #entry(itsEcosystem: string, itsReason: string): NotKnown & { sample: string[] } {
    const [ecosystem, reason] = [clipped(itsEcosystem, NAME_CHARS), clipped(itsReason, REASON_CHARS)];
    const key = `${ecosystem}\n${reason}`;
    return (
      this.#found.get(key) ?? {
        ...{ ecosystem, reason, packages: 0, endpointsAtLeast: 0, endpointsAtMost: 0, sample: [] },
      }
    );
  }

  #set(
    known: NotKnown & { sample: string[] },
    counts: Pick<NotKnown, 'packages' | 'endpointsAtLeast' | 'endpointsAtMost'>,
  ): void {
    this.#found.set(`${known.ecosystem}\n${known.reason}`, { ...known, ...counts });
  }
}

function clipped(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars - 1).toWellFormed()}…`;
}

function restOf(left: readonly NotKnown[], answered: number): NotKnown {
  const sum = (of: (one: NotKnown) => number): number => left.reduce((total, one) => total + of(one), 0);
  const endpointsAtLeast = left.reduce((most, one) => Math.max(most, one.endpointsAtLeast), 0);
  return {
    ...{ ecosystem: 'others', reason: `${left.length} more entries are not listed`, sample: [] },
    ...{ packages: sum(({ packages }) => packages), endpointsAtLeast },
    endpointsAtMost: Math.max(
      endpointsAtLeast,
      Math.min(
        answered,
        sum((one) => one.endpointsAtMost),
      ),
    ),
  };
}
