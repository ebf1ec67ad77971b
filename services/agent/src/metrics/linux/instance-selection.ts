import { readableName } from '../contract/instance-names.js';
import type { Candidate } from './parse/devices.js';

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
 * Chooses which instances of a group a sample holds. Whoever was chosen stays chosen while it is there, so that the shape changes rarely; free places go to the busiest, those of equal
 * activity by name. The choice is made again only when the list is another one, or an unused instance becomes used.
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
