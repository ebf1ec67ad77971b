import { type Group, GROUP_METRICS, GROUPS, hostMetric } from '@muster/host-metrics';
import { readableName } from './instance-names.js';
import type { Measurements } from './measurements.js';

/** A disk, an interface … as the system lists it. */
export interface Candidate {
  /** Its name, as Latin-1. */
  readonly key: string;
  /** In the order of the catalogue; `NaN` is absent. */
  readonly values: readonly number[];
  /** How much it has done since it is there; 0: it was never used, and is left out. */
  readonly activity: number;
}

export interface Selection {
  readonly names: readonly string[];
  /** The position of each among the candidates. */
  readonly positions: readonly number[];
  /** Used ones beyond the limit, and those that are never chosen. */
  readonly omitted: number;
}

export interface InstanceSelectionOptions {
  readonly limit: number;
  /** `ignore`: is no instance at all. `omit`: is counted as omitted. Called only when a choice is made. */
  readonly judge: (key: string) => 'take' | 'omit' | 'ignore';
}

/**
 * Chooses which instances of a group a sample holds. Whoever was chosen stays chosen while it is there, so that the
 * shape changes rarely; free places go to the busiest, those of equal activity by name. The choice is made again only
 * when the list is another one, or an unused instance becomes used.
 */
export class InstanceSelection {
  readonly #options: InstanceSelectionOptions;
  #keys: readonly string[] = [];
  #unused: readonly number[] = [];
  #chosen: ReadonlySet<string> = new Set();
  #selection: Selection = { names: [], positions: [], omitted: 0 };

  constructor(options: InstanceSelectionOptions) {
    this.#options = options;
  }

  select(candidates: readonly Candidate[]): Selection {
    const isSame =
      candidates.length === this.#keys.length &&
      candidates.every(({ key }, i) => key === this.#keys[i]) &&
      this.#unused.every((i) => !isUsed(candidates[i] as Candidate));
    if (!isSame) this.#selection = this.#choose(candidates);
    return this.#selection;
  }

  #choose(candidates: readonly Candidate[]): Selection {
    const { judge, limit } = this.#options;
    this.#keys = candidates.map(({ key }) => key);
    this.#unused = [...candidates.keys()].filter((i) => !isUsed(candidates[i] as Candidate));
    const judged = candidates.map((candidate, position) => ({ ...candidate, position, verdict: judge(candidate.key) }));
    const used = judged.filter((one) => isUsed(one) && one.verdict !== 'ignore');
    const ranked = used
      .filter(({ verdict }) => verdict === 'take')
      .toSorted(
        (a, b) =>
          Number(this.#chosen.has(b.key)) - Number(this.#chosen.has(a.key)) ||
          b.activity - a.activity ||
          compare(a.key, b.key),
      );
    const named = new Map<string, (typeof ranked)[number]>();
    for (const one of ranked) {
      const name = readableName(one.key);
      if (named.size < limit && !named.has(name)) named.set(name, one);
    }
    const chosen = [...named].toSorted(([, a], [, b]) => compare(a.key, b.key));
    this.#chosen = new Set(chosen.map(([, { key }]) => key));
    return {
      names: chosen.map(([name]) => name),
      positions: chosen.map(([, { position }]) => position),
      omitted: used.length - chosen.length,
    };
  }
}

function isUsed({ activity }: Candidate): boolean {
  return activity > 0;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const OMITTED = Object.fromEntries(
  GROUPS.map((group) => [group, hostMetric('muster.agent.omitted', { group })]),
) as Record<Group, number>;

/** Puts the instances that are chosen among `found` into the set, and how many used ones are not. */
export function placeInstances(
  { groups, host }: Measurements,
  group: Group,
  selection: InstanceSelection,
  found: readonly Candidate[],
): void {
  const { names, positions, omitted } = selection.select(found);
  const width = GROUP_METRICS[group].length;
  const values = new Float64Array(names.length * width).fill(Number.NaN);
  for (const [i, at] of positions.entries()) values.set((found[at] as Candidate).values, i * width);
  groups[group] = { names, values };
  host[OMITTED[group]] = omitted;
}
