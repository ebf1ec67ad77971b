import { CliError } from '../terminal/cli-error.js';

/** Names of ecosystems in a message. */
const NAMED = 10;

/** What an OSV record says that counts here. */
interface Affected {
  readonly affected?: readonly { readonly package?: { readonly ecosystem: string } }[] | null;
}

/**
 * Keeps of OSV records what they say of some ecosystems: `Debian:12`, or `Debian` for all of its versions, in any case. The rest of a record is left out too: otherwise
 * an ecosystem of which a feed has three records would count as known.
 */
export class EcosystemFilter {
  readonly #wanted: readonly string[];
  readonly #others = new Set<string>();
  #kept = 0;
  #left = 0;

  constructor(wanted: readonly string[]) {
    this.#wanted = wanted.map((one) => one.toLowerCase());
  }

  /** How many records say nothing of these ecosystems. */
  get left(): number {
    return this.#left;
  }

  /** The record as it is kept; `undefined` where nothing is left of it. */
  take({ text, ecosystems }: { readonly text: string; readonly ecosystems: readonly string[] }): string | undefined {
    const others = ecosystems.filter((one) => !this.#wants(one));
    for (const one of others) if (this.#others.size < NAMED) this.#others.add(one);
    if (others.length === ecosystems.length) {
      this.#left += 1;
      return undefined;
    }
    this.#kept += 1;
    if (others.length === 0) return text;
    const record = JSON.parse(text) as Affected;
    const affected = record.affected?.filter(({ package: one }) => one !== undefined && this.#wants(one.ecosystem));
    return JSON.stringify({ ...record, affected });
  }

  /** @throws CliError where records came and none was kept: a misspelt name must not put nothing in the place of a feed */
  check(): void {
    if (this.#kept > 0 || this.#left === 0) return;
    const there = [...this.#others].toSorted().join(', ');
    throw new CliError(`no record is of ${this.#wanted.join(', ')}; nothing was imported`, {
      ...(there === '' ? {} : { hint: `the records are of ${there}${this.#others.size < NAMED ? '' : ' and others'}` }),
    });
  }

  #wants(ecosystem: string): boolean {
    const name = ecosystem.toLowerCase();
    return this.#wanted.some((one) => name === one || name.startsWith(`${one}:`));
  }
}
