import { CliError, usageError } from '../terminal/cli-error.js';

/** Names of ecosystems in a message. */
const NAMED = 10;

/** What an OSV record says that counts here. */
interface Affected {
  readonly affected?: readonly { readonly package?: { readonly ecosystem: string } }[] | null;
}

/**
 * Keeps of OSV records what they say of some ecosystems: `Debian:12`, or `Debian` for all of its versions, in any case.
 * The rest of a record is left out too: otherwise an ecosystem of which a feed has three records would count as known.
 */
export class EcosystemFilter {
  /** In small letters, and as they were given. */
  readonly #wanted: ReadonlyMap<string, string>;
  /** Those of them that no record was of. */
  readonly #missing: Set<string>;
  readonly #others = new Set<string>();
  #hasRead = false;
  #left = 0;

  /** @throws CliError without a name */
  constructor(wanted: readonly string[]) {
    const names = wanted.map((one) => one.trim()).filter((one) => one !== '');
    if (names.length === 0) throw usageError('--ecosystem needs a name', '--ecosystem Debian:12 npm');
    this.#wanted = new Map(names.map((one) => [one.toLowerCase(), one]));
    this.#missing = new Set(this.#wanted.keys());
  }

  /** How many records say nothing of these ecosystems. */
  get left(): number {
    return this.#left;
  }

  /** The record as it is kept; `undefined` where nothing is left of it. */
  take({ text, ecosystems }: { readonly text: string; readonly ecosystems: readonly string[] }): string | undefined {
    this.#hasRead = true;
    const others = ecosystems.filter((one) => !this.#wants(one));
    for (const one of others) if (this.#others.size < NAMED) this.#others.add(one);
    if (others.length === ecosystems.length) {
      this.#left += 1;
      return undefined;
    }
    if (others.length === 0) return text;
    const record = JSON.parse(text) as Affected;
    const affected = record.affected?.filter(({ package: one }) => one !== undefined && this.#wants(one.ecosystem));
    return JSON.stringify({ ...record, affected });
  }

  /** @throws CliError where records could be read and none is of a name: a misspelt one must not leave an ecosystem out without a word */
  check(): void {
    if (this.#missing.size === 0 || !this.#hasRead) return;
    const there = [...this.#others].toSorted().join(', ');
    const missing = [...this.#missing].map((one) => this.#wanted.get(one)).join(', ');
    throw new CliError(`no record is of ${missing}; nothing was imported`, {
      ...(there === '' ? {} : { hint: `the records are of ${there}${this.#others.size < NAMED ? '' : ' and others'}` }),
    });
  }

  #wants(ecosystem: string): boolean {
    const name = ecosystem.toLowerCase();
    let isWanted = false;
    for (const one of this.#wanted.keys()) {
      if (name !== one && !name.startsWith(`${one}:`)) continue;
      isWanted = true;
      this.#missing.delete(one);
    }
    return isWanted;
  }
}
